// See BatchFeed.h.
#include "runtime/step/BatchFeed.h"

#include "runtime/trace/Recorder.h"

#include <algorithm>
#include <utility>

namespace danaus {

namespace {

/// Calls part(begin, end) for all of [0, count) on the device's host threads.
template <typename Part> void inParts(Executor &executor, size_t count, Part part) {
  size_t parts = std::min<size_t>(executor.threads(), count);
  executor.device().parallelFor(
      parts, [&](uint64_t i) { part(i * count / parts, (i + 1) * count / parts); });
}

template <typename T> void copyRange(std::span<T> from, std::span<T> to, size_t begin, size_t end) {
  std::copy_n(from.data() + begin, end - begin, to.data() + begin);
}

BatchSpans spansOf(Executor &executor) {
  return {executor.input(), executor.label(), executor.mixLabel(), executor.mixWeight()};
}

} // namespace

Expected<std::unique_ptr<BatchFeed>> BatchFeed::create(Executor &executor,
                                                       const BatchSource &source) {
  std::unique_ptr<BatchFeed> feed(new BatchFeed(executor, source));
  if (source.mixes() && spansOf(executor).mixLabels.empty())
    return Error(ExitCode::CheckpointInvalid,
                 "the model was compiled without the loss of mixed labels that data.augment asks "
                 "for (mixup, cutmix): compile it again");
  if (source.isCheap())
    return feed;
  Prefetch::Options options{.workers = executor.threads()};
  options.onThreadStart = [device = &executor.device()] { device->enterHelperThread(); };
  auto ahead = Prefetch::create(source, std::move(options));
  if (!ahead)
    return ahead.takeError();
  feed->ahead = std::move(*ahead);
  return feed;
}

void BatchFeed::startEpoch(uint64_t number, size_t first) {
  step = first;
  isPrepared = false;
  if (ahead)
    ahead->startEpoch(number, first);
  else
    epoch = source.epochRows(number);
}

Expected<uint64_t> BatchFeed::next() {
  trace::Scope scope(trace::Kind::Wait, trace::WaitForInput);
  if (!std::exchange(isPrepared, false))
    if (Status status = fill(); !status)
      return status.takeError();
  return uint64_t(source.validRows(step++));
}

Status BatchFeed::prepare() {
  if (isPrepared || step >= source.stepsPerEpoch())
    return Status::ok();
  executor.turnInputs();
  if (Status status = fill(); !status)
    return status;
  isPrepared = true;
  return executor.sendInputs();
}

/// With the batch of `step`.
Status BatchFeed::fill() {
  if (ahead)
    return copyAhead();
  fillHere();
  return Status::ok();
}

void BatchFeed::fillHere() {
  trace::Scope scope(trace::Kind::Input, "make images of a batch");
  BatchSpans into = spansOf(executor);
  inParts(executor, source.batchSize(), [&](size_t begin, size_t end) {
    TransformScratch unused; // of transforms; a cheap source has none, nor can it fail
    (void)source.fillRows(epoch, step, begin, end, into, unused);
  });
}

Status BatchFeed::copyAhead() {
  Expected<BatchSpans> batch = ahead->next();
  if (!batch)
    return batch.takeError();
  BatchSpans into = spansOf(executor);
  size_t pixels = source.shape().pixels();
  inParts(executor, source.batchSize(), [&](size_t begin, size_t end) {
    copyRange(batch->input, into.input, begin * pixels, end * pixels);
    copyRange(batch->labels, into.labels, begin, end);
    if (!into.mixLabels.empty()) {
      copyRange(batch->mixLabels, into.mixLabels, begin, end);
      copyRange(batch->mixWeights, into.mixWeights, begin, end);
    }
  });
  return Status::ok();
}

} // namespace danaus
