// Single linears, measured on this machine as parts of a small model.
#pragma once

#include "tools/danaus/command/OpenModel.h"

namespace danaus::tool {

/// One linear: `rows` of `in` features a sample, `batch` samples; `structure` as in a rule of a
/// spec
/// ("kind: monarch, nblocks: 4").
struct MeasuredLayer {
  uint64_t rows = 0, in = 0, out = 0, batch = 0;
  std::string structure;
};

/// Milliseconds of a training step that are the layer's alone (its products forward and backward,
/// what packs for them, the sums of the bias's gradient), on all threads together. Compiles a spec
/// with that layer between two others.
Expected<double> measureLayer(const MeasuredLayer &layer, const ModelArguments &arguments);

} // namespace danaus::tool
