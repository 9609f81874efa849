// See ModelData.h.
#include "runtime/train/ModelData.h"

#include <numeric>

namespace danaus {

static std::string extents(const flatbuffers::Vector<uint64_t> &shape) {
  std::string text;
  for (uint64_t extent : shape)
    text += (text.empty() ? "" : " x ") + std::to_string(extent);
  return text;
}

Status checkDataFits(const fb::Model &model, const Dataset &dataset) {
  uint64_t elements = 1;
  for (uint64_t extent : *model.input_shape())
    elements *= extent;
  const ImageShape &image = dataset.shape;
  if (elements != image.pixels())
    return Error(ExitCode::DataInvalid,
                 format("model '%s' takes %s = %llu inputs, but an image of %s has %u x %u x %u = "
                        "%zu values: change model.input.shape or data.name",
                        model.name()->c_str(), extents(*model.input_shape()).c_str(),
                        (unsigned long long)elements, dataset.name.c_str(), image.channels,
                        image.height, image.width, image.pixels()));
  if (dataset.classes > model.classes())
    return Error(ExitCode::DataInvalid,
                 format("the head of model '%s' has %llu outputs, but %s has %u classes: change "
                        "the last layer's `out` or data.name",
                        model.name()->c_str(), (unsigned long long)model.classes(),
                        dataset.name.c_str(), dataset.classes));
  return Status::ok();
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

static std::vector<float> perChannel(const flatbuffers::Vector<float> *values) {
  return values ? std::vector<float>(values->begin(), values->end()) : std::vector<float>();
}

Expected<BatchSource> makeBatchSource(const fb::Model &model, const Dataset &dataset,
                                      SplitName split, uint64_t batch) {
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
  options.seed = model.seed();
  options.order = split == SplitName::Train ? order : RowOrder::File;
  options.normalization = {perChannel(data.normalize_mean()), perChannel(data.normalize_std())};
  return BatchSource::create(dataset, std::move(rows), std::move(options));
}

} // namespace danaus
