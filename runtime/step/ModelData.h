// The data that a model table asks for: found, checked against the model's input and head, split,
// and cut into batches. Everything that does not fit is ExitCode::DataInvalid and names both sides.
#pragma once

#include "runtime/data/Batch.h"
#include "runtime/plan/model_generated.h"

namespace danaus {

/// Which images: both Train and Validation come from the dataset's training portion.
enum class SplitName { Train, Validation, Test };

/// What the spec asks for between an image and a row of the input.
TransformOptions transformsOf(const fb::Data &data);

/// Whether the model can take these images: what data.resize, pad and channels make of them has the
/// shape of its input, and the head has at least as many outputs as there are classes.
Status checkDataFits(const fb::Model &model, const Dataset &dataset);

/// Loads one portion of the dataset that the model names, and checks it.
Expected<Dataset>
loadModelData(const fb::Model &model, Portion portion,
              const DataEnvironment &environment = DataEnvironment::fromProcess());

/// Batches of a split. `dataset` is the portion that holds it and must outlive the source. Train is
/// in the order that the spec asks for, the others in the order of the file. ImageUse::Training
/// augments and mixes. A split without images is an error except for Validation, which gives an
/// empty source. `batch`: rows that the program takes; of several ranks each takes its share.
Expected<BatchSource> makeBatchSource(const fb::Model &model, const Dataset &dataset,
                                      SplitName split, uint64_t batch, ImageUse use,
                                      const BatchShare &share = {});

} // namespace danaus
