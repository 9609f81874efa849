// See Prefetch.h. One mutex guards who does what; the work itself is done without it.
#include "runtime/data/Prefetch.h"

#include "runtime/base/BlockedSignals.h"
#include "runtime/trace/Recorder.h"

#include <algorithm>
#include <new>
#include <string>
#include <system_error>

namespace danaus {

namespace {
/// Few enough that threads share a batch evenly, and that stopping does not wait long.
constexpr size_t rowsAtOnce = 4;
} // namespace

Prefetch::Prefetch(const BatchSource &source, Options options)
    : source(source), options(std::move(options)) {
  slots.resize(std::max(this->options.ahead, 2u));
}

Expected<std::unique_ptr<Prefetch>> Prefetch::create(const BatchSource &source, Options options) {
  std::unique_ptr<Prefetch> made(new Prefetch(source, std::move(options)));
  if (Status status = made->startThreads(); !status)
    return status.takeError();
  return made;
}

Status Prefetch::startThreads() {
  size_t rows = source.batchSize();
  try {
    for (Slot &slot : slots) {
      slot.input.resize(rows * source.shape().pixels());
      slot.labels.resize(rows);
      slot.mixLabels.resize(rows);
      slot.mixWeights.resize(rows);
    }
    BlockedSignals blocked;
    for (unsigned i = 0; i < std::max(options.workers, 1u); ++i)
      threads.emplace_back([this, i] {
        trace::nameThread("input " + std::to_string(i + 1));
        work();
      });
  } catch (const std::bad_alloc &) {
    return Error(ExitCode::DataInvalid,
                 format("%zu batches of %zu images do not fit into memory: make train.batch_size "
                        "smaller",
                        slots.size(), rows));
  } catch (const std::system_error &error) {
    return Error(ExitCode::DataInvalid, format("cannot start %u threads that read images: %s",
                                               options.workers, error.what()));
  }
  return Status::ok();
}

Prefetch::~Prefetch() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
  }
  workChanged.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

void Prefetch::startEpoch(uint64_t number, size_t step) {
  std::unique_lock lock(mutex);
  steps = 0; // nothing more is claimed
  idle.wait(lock, [&] { return working == 0; });
  epoch = source.epochRows(number);
  nextClaimed = nextTaken = step;
  holdsBatch = false;
  steps = source.stepsPerEpoch();
  for (Slot &each : slots) {
    each.claimed = each.done = 0;
    each.error.reset();
    each.ready = false;
  }
  workChanged.notify_all();
}

Expected<BatchSpans> Prefetch::next() {
  std::unique_lock lock(mutex);
  if (holdsBatch) {
    Slot &used = slot(nextTaken - 1);
    used.claimed = used.done = 0;
    used.error.reset();
    used.ready = false;
    workChanged.notify_all();
  }
  holdsBatch = nextTaken < steps;
  if (!holdsBatch)
    return Error(ExitCode::Internal, "an epoch was asked for more batches than it has");
  Slot &wanted = slot(nextTaken++);
  batchReady.wait(lock, [&] { return wanted.ready; });
  if (wanted.error)
    return *wanted.error;
  return wanted.spans();
}

/// The slot of the next step is free, or has rows that no one has claimed.
bool Prefetch::canClaim() const {
  size_t firstHeld = nextTaken - (holdsBatch ? 1 : 0);
  return nextClaimed < steps && nextClaimed < firstHeld + slots.size();
}

Prefetch::Claim Prefetch::claim() {
  Slot &into = slot(nextClaimed);
  size_t begin = into.claimed, end = std::min(begin + rowsAtOnce, source.batchSize());
  into.claimed = end;
  return {end == source.batchSize() ? nextClaimed++ : nextClaimed, begin, end};
}

Status Prefetch::make(const Claim &claim, TransformScratch &scratch) {
  try {
    return source.fillRows(epoch, claim.step, claim.begin, claim.end, slot(claim.step).spans(),
                           scratch);
  } catch (const std::bad_alloc &) {
    return Error(ExitCode::DataInvalid,
                 format("one of the images %zu to %zu of batch %zu does not fit into memory",
                        claim.begin, claim.end - 1, claim.step));
  }
}

void Prefetch::work() {
  if (options.onThreadStart)
    options.onThreadStart();
  TransformScratch scratch;
  std::unique_lock lock(mutex);
  for (;;) {
    workChanged.wait(lock, [&] { return stopping || canClaim(); });
    if (stopping)
      return;
    Claim mine = claim();
    ++working;
    lock.unlock();
    Status status;
    {
      trace::Scope scope(trace::Kind::Input, "make images of a batch");
      status = make(mine, scratch);
    }
    lock.lock();
    finish(mine, std::move(status), lock);
    if (--working == 0)
      idle.notify_all();
  }
}

void Prefetch::finish(const Claim &claim, Status status, std::unique_lock<std::mutex> &lock) {
  Slot &made = slot(claim.step);
  if (!status && (!made.error || claim.begin < made.errorRow)) {
    made.error = status.takeError();
    made.errorRow = claim.begin;
  }
  made.done += claim.end - claim.begin;
  if (made.done < source.batchSize())
    return;
  if (!made.error) {
    lock.unlock();
    source.mix(epoch, claim.step, made.spans());
    lock.lock();
  }
  made.ready = true;
  batchReady.notify_all();
}

} // namespace danaus
