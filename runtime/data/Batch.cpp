// The batches of an epoch.
#include "runtime/data/Batch.h"

#include <algorithm>
#include <cstring>

namespace danaus {

namespace {
constexpr size_t prefetchDistance = 2;
constexpr size_t cheapPixels = 16'384;
} // namespace

BatchSource::BatchSource(const Dataset &dataset, std::vector<uint32_t> rows, Options options,
                         ImagePipeline pipeline)
    : dataset(&dataset), selected(std::move(rows)), options(std::move(options)),
      pipeline(std::move(pipeline)) {}

Expected<BatchSource> BatchSource::create(const Dataset &dataset, std::vector<uint32_t> rows,
                                          Options options) {
  if (options.batchSize == 0)
    return Error(ExitCode::DataInvalid, "a batch must have at least one row");
  for (uint32_t row : rows)
    if (row >= dataset.count())
      return Error(ExitCode::DataInvalid, format("row %u of %s does not exist: it has %zu", row,
                                                 dataset.name.c_str(), dataset.count()));
  if (options.share.length(options.batchSize) > options.batchSize)
    return Error(ExitCode::Usage,
                 format("a batch of %zu rows shared by %u rank%s is %zu rows each, but the model "
                        "was compiled for %zu: compile it again for so many ranks",
                        options.share.rows, options.share.ranks,
                        options.share.ranks == 1 ? "" : "s",
                        options.share.length(options.batchSize), options.batchSize));
  bool fixed = dataset.inMemory() || options.transforms.resize;
  auto pipeline = ImagePipeline::create(fixed ? dataset.shape : options.fileShape,
                                        options.transforms, options.use, options.seed);
  if (!pipeline)
    return pipeline.takeError();
  return BatchSource(dataset, std::move(rows), std::move(options), std::move(*pipeline));
}

bool BatchSource::isCheap() const {
  return dataset->inMemory() && pipeline.isPlain() && !mixes() && shape().pixels() <= cheapPixels;
}

size_t BatchSource::stepsPerEpoch() const {
  return (selected.size() + wholeBatch() - 1) / wholeBatch();
}

EpochRows BatchSource::epochRows(uint64_t epoch) const {
  return {epoch, epochOrder(selected, options.seed, epoch, options.order)};
}

size_t BatchSource::allRows(size_t step) const {
  if (step >= stepsPerEpoch())
    return 0;
  return std::min(wholeBatch(), selected.size() - step * wholeBatch());
}

size_t BatchSource::validRows(size_t step) const {
  size_t all = allRows(step), first = firstRow();
  return all <= first ? 0 : std::min(options.share.length(options.batchSize), all - first);
}

Status BatchSource::fill(const EpochRows &epoch, size_t step, const BatchSpans &into,
                         TransformScratch &scratch) const {
  if (Status status = fillRows(epoch, step, 0, options.batchSize, into, scratch); !status)
    return status;
  mix(epoch, step, into);
  return Status::ok();
}

Status BatchSource::fillRow(uint64_t epoch, uint32_t index, float *into,
                            TransformScratch &scratch) const {
  if (dataset->inMemory()) {
    Status status = pipeline.run(ImageView::of(dataset->row(index), dataset->shape), epoch, index,
                                 into, scratch);
    return status ? Status::ok()
                  : Error(ExitCode::DataInvalid,
                          format("image %u of %s ", index, dataset->name.c_str()) +
                              status.error().message());
  }
  Expected<Image> image = dataset->load(index);
  if (!image)
    return image.takeError();
  Status status =
      pipeline.run(ImageView::of(image->pixels.data(), image->shape), epoch, index, into, scratch);
  return status ? Status::ok()
                : Error(ExitCode::DataInvalid,
                        "'" + dataset->files[index] + "' " + status.error().message());
}

Status BatchSource::fillRows(const EpochRows &epoch, size_t step, size_t begin, size_t end,
                             const BatchSpans &into, TransformScratch &scratch) const {
  size_t pixels = shape().pixels(), valid = validRows(step);
  const uint32_t *batch = epoch.rows.data() + step * wholeBatch() + firstRow();
  bool plain = dataset->inMemory() && pipeline.isPlain();
  for (size_t row = begin; row < end; ++row) {
    float *input = into.input.data() + row * pixels;
    bool real = row < valid;
    into.labels[row] = real ? dataset->labels[batch[row]] : -1;
    if (!into.mixLabels.empty())
      into.mixLabels[row] = into.labels[row];
    if (!into.mixWeights.empty())
      into.mixWeights[row] = 1;
    if (!real) {
      std::memset(input, 0, pixels * sizeof(float));
    } else if (plain) {
      // The rows of a shuffled epoch are far apart in memory: ask for them early.
      if (row + prefetchDistance < valid)
        for (size_t byte = 0; byte < pixels; byte += 64)
          __builtin_prefetch(dataset->row(batch[row + prefetchDistance]) + byte);
      pipeline.converter().convert(dataset->row(batch[row]), input);
    } else if (Status status = fillRow(epoch.epoch, batch[row], input, scratch); !status) {
      return status;
    }
    if (real && mixes() && options.share.ranks > 1)
      if (Status status = mixRow(epoch, step, row, into, scratch); !status)
        return status;
  }
  return Status::ok();
}

/// One row with its partner, which may be another rank's: it is made here once more.
Status BatchSource::mixRow(const EpochRows &epoch, size_t step, size_t row, const BatchSpans &into,
                           TransformScratch &scratch) const {
  size_t place = firstRow() + row, partner = allRows(step) - 1 - place;
  uint32_t index = epoch.rows[step * wholeBatch() + partner];
  Mix mix = drawMix(options.mix, shape(), options.seed, epoch.epoch, step);
  into.mixLabels[row] = dataset->labels[index];
  into.mixWeights[row] = mix.weight;
  if (partner == place)
    return Status::ok();
  std::vector<float> other(shape().pixels());
  if (Status status = fillRow(epoch.epoch, index, other.data(), scratch); !status)
    return status;
  float *own = into.input.data() + row * shape().pixels();
  mixPair(mix, shape(), place < partner ? own : other.data(), place < partner ? other.data() : own);
  return Status::ok();
}

void BatchSource::mix(const EpochRows &epoch, size_t step, const BatchSpans &into) const {
  if (!mixes() || options.share.ranks > 1) // then each row has been mixed
    return;
  size_t valid = validRows(step);
  mixBatch(drawMix(options.mix, shape(), options.seed, epoch.epoch, step), shape(), into.input,
           into.labels.first(valid), into.mixLabels.first(valid), into.mixWeights.first(valid));
}

} // namespace danaus
