// See Predict.h.
#include "runtime/step/Predict.h"

#include "runtime/data/formats/DecodeImage.h"
#include "runtime/data/formats/ImageFolder.h"
#include "runtime/plan/Control.h"
#include "runtime/step/ModelData.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace danaus {

/// Of the images that the model was trained on: the dataset's, or where that has no fixed shape
/// (folders, arrays) what `pad` leaves of the model's input. Height and width 0 where any size is
/// resized.
static Expected<ImageShape> imageShapeOf(const fb::Model &model) {
  const fb::Data &data = *model.data();
  Expected<const DatasetFormat *> format = findDatasetFormat(data.name()->str());
  if (!format)
    return format.takeError();
  ImageShape shape = (*format)->shape;
  const auto &input = *model.input_shape();
  size_t rank = input.size();
  uint64_t border = 2 * uint64_t(data.pad());
  if (!shape.channels)
    shape.channels = rank == 3 ? uint32_t(input[0]) : 1;
  if (data.resize())
    return ImageShape{shape.channels, 0, 0};
  if (shape.pixels())
    return shape;
  if (rank < 2 || rank > 3 || (shape.channels != 1 && shape.channels != 3) ||
      input[rank - 2] <= border || input[rank - 1] <= border)
    return Error(
        ExitCode::DataInvalid,
        danaus::format("model '%s' takes no images that can be read from files: its input is not "
                       "channels x height x width with 1 or 3 channels",
                       model.name()->c_str()));
  return ImageShape{shape.channels, uint32_t(input[rank - 2] - border),
                    uint32_t(input[rank - 1] - border)};
}

Expected<ImageInput> ImageInput::create(const fb::Model &model) {
  Expected<ImageShape> shape = imageShapeOf(model);
  if (!shape)
    return shape.takeError();
  Expected<ImagePipeline> pipeline =
      ImagePipeline::create(*shape, transformsOf(*model.data()), ImageUse::Evaluation, 0);
  if (!pipeline)
    return pipeline.takeError();
  return ImageInput(*shape, std::move(*pipeline));
}

Status ImageInput::read(const std::string &path, float *into) const {
  Expected<Image> image = readImageFile(path);
  if (!image)
    return image.takeError();
  bool anySize = shape.height == 0;
  if (!anySize && (image->shape.height != shape.height || image->shape.width != shape.width))
    return Error(ExitCode::DataInvalid,
                 format("'%s' has %u x %u pixels (width x height); the model takes %u x %u: scale "
                        "it, or train a model with data.resize",
                        path.c_str(), image->shape.width, image->shape.height, shape.width,
                        shape.height));
  if (shape.channels == 1)
    *image = toGrey(*image);
  TransformScratch scratch;
  if (Status status =
          pipeline.run(ImageView::of(image->pixels.data(), image->shape), 0, 0, into, scratch);
      !status)
    return Error(status.error().code(), "'" + path + "' " + status.error().message());
  return Status::ok();
}

std::vector<double> softmax(std::span<const float> logits) {
  double most = double(*std::max_element(logits.begin(), logits.end())), sum = 0;
  std::vector<double> result;
  for (float logit : logits)
    result.push_back(std::exp(double(logit) - most));
  for (double value : result)
    sum += value;
  for (double &value : result)
    value /= sum;
  return result;
}

std::vector<size_t> largest(const std::vector<double> &values, size_t count) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t(0));
  count = std::min(count, order.size());
  std::partial_sort(
      order.begin(), order.begin() + std::ptrdiff_t(count), order.end(),
      [&](size_t a, size_t b) { return values[a] != values[b] ? values[a] > values[b] : a < b; });
  order.resize(count);
  return order;
}

/// Reads files [begin, end) of `paths` into the first rows of the input, the others are padding.
static Status fillInput(Executor &executor, const ImageInput &input,
                        const std::vector<std::string> &paths, size_t begin, size_t end) {
  std::vector<std::optional<Error>> errors(end - begin);
  float *rows = executor.input().data();
  std::fill(executor.input().begin(), executor.input().end(), 0.0f);
  std::fill(executor.label().begin(), executor.label().end(), -1);
  executor.device().parallelFor(end - begin, [&](uint64_t row) {
    if (Status status = input.read(paths[begin + row], rows + row * input.size()); !status)
      errors[row] = status.takeError();
  });
  for (std::optional<Error> &error : errors)
    if (error)
      return std::move(*error);
  // The label only matters to the loss, which nobody reads here; -1 would be a row to skip.
  std::fill_n(executor.label().begin(), end - begin, 0);
  executor.control()[control::InverseCount] = float(1.0 / double(end - begin));
  return Status::ok();
}

static Status checkProgram(Executor &executor, const ImageInput &input) {
  uint64_t batch = executor.batch(fb::ProgramKind::EvalStep);
  if (batch == 0 || executor.logits().size() != batch * executor.model().classes())
    return Error(ExitCode::CheckpointInvalid,
                 "the model binary lacks an evaluation step that keeps its outputs: compile it "
                 "again");
  if (executor.input().size() != batch * input.size())
    return Error(ExitCode::DataInvalid,
                 format("model '%s' takes %zu inputs, but an image of its data has %zu values",
                        executor.model().name()->c_str(), executor.input().size() / batch,
                        input.size()));
  return Status::ok();
}

static Error notFinite(const std::string &path) {
  return Error(ExitCode::Diverged, "the outputs for '" + path +
                                       "' are not finite: the weights "
                                       "hold NaN or are far too large");
}

Expected<std::vector<std::vector<double>>> predict(Executor &executor,
                                                   const std::vector<std::string> &paths) {
  Expected<ImageInput> input = ImageInput::create(executor.model());
  if (!input)
    return input.takeError();
  if (Status status = checkProgram(executor, *input); !status)
    return status.takeError();
  size_t batch = executor.batch(fb::ProgramKind::EvalStep), classes = executor.model().classes();
  std::vector<std::vector<double>> results;
  for (size_t begin = 0; begin < paths.size(); begin += batch) {
    size_t end = std::min(begin + batch, paths.size());
    if (Status status = fillInput(executor, *input, paths, begin, end); !status)
      return status.takeError();
    if (Status status = executor.run(fb::ProgramKind::EvalStep); !status)
      return status.takeError();
    for (size_t row = 0; row < end - begin; ++row) {
      std::span<const float> logits = executor.logits().subspan(row * classes, classes);
      if (!std::all_of(logits.begin(), logits.end(), [](float z) { return std::isfinite(z); }))
        return notFinite(paths[begin + row]);
      results.push_back(softmax(logits));
    }
  }
  return results;
}

std::vector<std::string> classNamesOf(const fb::Model &model, const DataEnvironment &environment) {
  const fb::Data &data = *model.data();
  Expected<const DatasetFormat *> format = findDatasetFormat(data.name()->str());
  if (!format)
    return {};
  std::vector<std::string> names = (*format)->classNames;
  if (!(*format)->shape.pixels() && (*format)->shape.channels) {
    Expected<std::string> folder =
        findDatasetFolder(**format, data.dir() ? data.dir()->str() : "", environment);
    if (Expected<std::vector<std::string>> found =
            folder ? imageFolderClasses(*folder) : folder.takeError())
      names = std::move(*found);
  }
  return names.size() <= model.classes() ? names : std::vector<std::string>();
}

} // namespace danaus
