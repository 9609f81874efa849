// Checks that look at several keys of a spec together; the schema calls them once each key alone is
// right. Single keys are checked by their types.
#pragma once

#include "compiler/import/Types.h"

namespace danaus::spec {

/// The elements of one sample fit in 2^31.
void checkInput(const Node &node, const Spec &spec, Reader &reader);
/// The layers, with repeats written out, are at most 100,000.
void checkModel(const Node &node, const Spec &spec, Reader &reader);
/// No two values have the same name; the elements of a parameter fit in 2^31.
void checkOps(const Node &node, const Layer &layer, Reader &reader);
/// As many means as deviations.
void checkNormalize(const Node &node, const Data &data, Reader &reader);
/// The least is not above the most.
void checkResizedCrop(const Node &node, const Augment &augment, Reader &reader);
/// Each augmentation is given once; those that need another key have it; images, channels,
/// normalization and padding go together.
void checkData(const Node &node, const Data &data, Reader &reader);
/// An update has equally many samples in each of its parts.
void checkTrain(const Node &node, const Train &train, Reader &reader);
/// min_lr is not above lr; no rules of structure beside an ONNX file.
void checkSpec(const Node &node, const Spec &spec, Reader &reader);

} // namespace danaus::spec
