// See MeasuredInput.h.
#include "runtime/measure/MeasuredInput.h"

namespace danaus {

Expected<std::unique_ptr<MeasuredInput>> MeasuredInput::open(Executor &executor, Dataset data,
                                                             uint64_t rows, ImageUse use) {
  std::unique_ptr<MeasuredInput> input(new MeasuredInput(std::move(data)));
  auto source = makeBatchSource(executor.model(), input->data, SplitName::Train, rows, use);
  if (!source)
    return source.takeError();
  input->source.emplace(std::move(*source));
  auto feed = BatchFeed::create(executor, *input->source);
  if (!feed)
    return feed.takeError();
  input->feed = std::move(*feed);
  input->feed->startEpoch(0, 0);
  return input;
}

Status MeasuredInput::next() {
  if (step == source->stepsPerEpoch()) {
    feed->startEpoch(++epoch, 0);
    step = 0;
  }
  ++step;
  Expected<uint64_t> filled = feed->next();
  return filled ? Status::ok() : Status(filled.takeError());
}

} // namespace danaus
