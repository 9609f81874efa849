// What a model says of image files: decoded, prepared as the images that it is evaluated on, and
// run through the EvalStep program batch by batch.
#pragma once

#include "runtime/data/Dataset.h"
#include "runtime/data/Transform.h"
#include "runtime/exec/Executor.h"

namespace danaus {

/// From an image file to one row of the model's input.
class ImageInput {
public:
  /// DataInvalid where the model table does not tell what images the model takes.
  static Expected<ImageInput> create(const fb::Model &model);

  /// Numbers of a row.
  size_t size() const { return pipeline.shape().pixels(); }
  /// Decodes the file, does what evaluation does (resize, pad, channels, normalize) and writes
  /// size() numbers. A colour image is turned grey for a model that was trained on grey images.
  /// DataInvalid names the file where it cannot be decoded or, without resize, its size is not the
  /// model's. Thread-safe.
  Status read(const std::string &path, float *into) const;

private:
  ImageInput(ImageShape shape, ImagePipeline pipeline)
      : shape(shape), pipeline(std::move(pipeline)) {}
  ImageShape shape; ///< of what goes into the pipeline; height and width 0: any
  ImagePipeline pipeline;
};

/// exp(z_c - max z) / sum, in double.
std::vector<double> softmax(std::span<const float> logits);

/// The indices of the `count` largest, the largest first; of equals the lower index first.
std::vector<size_t> largest(const std::vector<double> &values, size_t count);

/// The probabilities of the classes, for each of the files in order. The first file that cannot be
/// used (in that order) is the error; outputs that are not finite are Diverged.
Expected<std::vector<std::vector<double>>> predict(Executor &executor,
                                                   const std::vector<std::string> &paths);

/// The names of the model's classes, as its dataset calls them or as the image folder's folders are
/// called; empty where they are not known.
std::vector<std::string>
classNamesOf(const fb::Model &model,
             const DataEnvironment &environment = DataEnvironment::fromProcess());

} // namespace danaus
