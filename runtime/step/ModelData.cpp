// See ModelData.h.
#include "runtime/step/ModelData.h"

#include <numeric>

namespace danaus {

static std::string extents(const flatbuffers::Vector<uint64_t> &shape) {
  std::string text;
  for (uint64_t extent : shape)
    text += (text.empty() ? "" : " x ") + std::to_string(extent);
  return text;
}

static std::vector<float> perChannel(const flatbuffers::Vector<float> *values) {
  return values ? std::vector<float>(values->begin(), values->end()) : std::vector<float>();
}

TransformOptions transformsOf(const fb::Data &data) {
  TransformOptions options;
  options.resize = data.resize();
  options.pad = data.pad();
  options.channels = data.channels();
  options.cropPadding = data.crop_padding();
  options.flipProbability = data.flip_probability();
  options.eraseProbability = data.erase_probability();
  if (const fb::ResizedCrop *crop = data.resized_crop())
    options.resizedCrop = {crop->min_scale(), crop->max_scale(), crop->min_ratio(),
                           crop->max_ratio()};
  options.normalization = {perChannel(data.normalize_mean()), perChannel(data.normalize_std())};
  return options;
}

/// Images in files that are not resized must all have the size that the model takes.
static ImageShape fileShape(const fb::Model &model, const Dataset &dataset) {
  const auto &input = *model.input_shape();
  uint64_t border = 2 * uint64_t(model.data()->pad());
  if (input.size() != 3 || input[1] <= border || input[2] <= border)
    return {};
  return {dataset.shape.channels, uint32_t(input[1] - border), uint32_t(input[2] - border)};
}

static std::string extents(const ImageShape &shape) {
  return format("%u x %u x %u", shape.channels, shape.height, shape.width);
}

static Status checkClasses(const fb::Model &model, const Dataset &dataset) {
  if (dataset.classes <= model.classes())
    return Status::ok();
  return Error(ExitCode::DataInvalid,
               format("the head of model '%s' has %llu outputs, but %s has %u classes: change "
                      "the last layer's `out` or data.name",
                      model.name()->c_str(), (unsigned long long)model.classes(),
                      dataset.name.c_str(), dataset.classes));
}

Status checkDataFits(const fb::Model &model, const Dataset &dataset) {
  const auto &input = *model.input_shape();
  TransformOptions transforms = transformsOf(*model.data());
  bool known = dataset.inMemory() || transforms.resize;
  ImageShape own = known ? dataset.shape : fileShape(model, dataset);
  ImageShape image = outputShape(own, transforms);
  if (image.pixels() == 0)
    return Error(ExitCode::DataInvalid,
                 format("the images of %s may differ in size and model '%s' takes %s, which is not "
                        "channels x height x width: write data.resize",
                        dataset.name.c_str(), model.name()->c_str(), extents(input).c_str()));
  uint64_t elements = 1;
  for (uint64_t extent : input)
    elements *= extent;
  // Three dimensions are channels, height and width; fewer are the same numbers in the same order.
  bool fits = elements == image.pixels() &&
              (input.size() != 3 ||
               (input[0] == image.channels && input[1] == image.height && input[2] == image.width));
  if (!fits)
    return Error(ExitCode::DataInvalid,
                 format("model '%s' takes %s = %llu inputs, but an image of %s has %s = %zu "
                        "values%s: change model.input.shape or data",
                        model.name()->c_str(), extents(input).c_str(), (unsigned long long)elements,
                        dataset.name.c_str(), extents(image).c_str(), image.pixels(),
                        image == own ? "" : " after resize, pad and channels"));
  return checkClasses(model, dataset);
}

Expected<Dataset> loadModelData(const fb::Model &model, Portion portion,
                                const DataEnvironment &environment) {
  const fb::Data &data = *model.data();
  Expected<Dataset> dataset =
      loadDataset(data.name()->str(), data.dir() ? data.dir()->str() : "", portion, environment);
  if (!dataset)
    return dataset;
  if (Status status = checkDataFits(model, *dataset); !status)
    return status.takeError();
  return dataset;
}

Expected<BatchSource> makeBatchSource(const fb::Model &model, const Dataset &dataset,
                                      SplitName split, uint64_t batch, ImageUse use,
                                      const BatchShare &share) {
  const fb::Data &data = *model.data();
  RowOrder order = data.shuffle() ? RowOrder::Shuffled : RowOrder::File;
  std::vector<uint32_t> rows(dataset.count());
  if (split == SplitName::Test) {
    std::iota(rows.begin(), rows.end(), 0u);
  } else {
    Expected<Split> parts =
        splitTrainingSet(dataset.count(), data.validation(), model.seed(), order);
    if (!parts)
      return parts.takeError();
    rows = std::move(split == SplitName::Train ? parts->train : parts->validation);
  }
  if (rows.empty() && split != SplitName::Validation)
    return Error(ExitCode::DataInvalid, format("%s holds no images for this: check data.validation",
                                               dataset.name.c_str()));

  BatchSource::Options options;
  options.batchSize = batch;
  options.share = share;
  options.seed = model.seed();
  options.order = split == SplitName::Train ? order : RowOrder::File;
  options.transforms = transformsOf(data);
  options.fileShape = fileShape(model, dataset);
  options.use = use;
  if (use == ImageUse::Training)
    options.mix = {data.mixup_alpha(), data.cutmix_alpha()};
  return BatchSource::create(dataset, std::move(rows), std::move(options));
}

} // namespace danaus
