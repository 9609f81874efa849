// Threads that make the batches of an epoch a few steps ahead of the one who uses them. All of them
// work on the earliest batch that is not done, a few rows at a time, so the first batch comes soon;
// the rows' content does not depend on who makes them. Whoever makes the last rows of a batch also
// mixes it.
#pragma once

#include "runtime/data/Batch.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace danaus {

class Prefetch {
public:
  struct Options {
    unsigned workers = 1; ///< at least 1
    unsigned ahead = 3; ///< batches in memory: the one in use and those that follow it; at least 2
    std::function<void()> onThreadStart = {}; ///< called first by each worker
  };

  /// `source` must outlive the object. DataInvalid when the system refuses the threads or memory.
  static Expected<std::unique_ptr<Prefetch>> create(const BatchSource &source, Options options);
  /// Stops and waits for the rows at hand, not for batches.
  ~Prefetch();
  Prefetch(const Prefetch &) = delete;

  /// Starts with this step of this epoch, in the order that the source gives it; what was made of
  /// another epoch is dropped.
  void startEpoch(uint64_t epoch, size_t step);

  /// The next batch of the epoch, once it is there; its spans are valid until the next call.
  /// DataInvalid where an image could not be read: the message names its file. Internal after the
  /// last step of the epoch.
  Expected<BatchSpans> next();

private:
  /// A batch in the making or ready: that of step s is slots[s % slots.size()].
  struct Slot {
    std::vector<float> input, mixWeights;
    std::vector<int32_t> labels, mixLabels;
    size_t claimed = 0, done = 0; ///< rows
    std::optional<Error> error;   ///< of the first row that failed
    size_t errorRow = 0;
    bool ready = false;
    BatchSpans spans() { return {input, labels, mixLabels, mixWeights}; }
  };
  /// Rows [begin, end) of a step.
  struct Claim {
    size_t step, begin, end;
  };

  Prefetch(const BatchSource &source, Options options);
  Status startThreads();
  void work();
  bool canClaim() const;
  Claim claim();
  Status make(const Claim &claim, TransformScratch &scratch);
  void finish(const Claim &claim, Status status, std::unique_lock<std::mutex> &lock);
  Slot &slot(size_t step) { return slots[step % slots.size()]; }

  const BatchSource &source;
  Options options;
  std::mutex mutex;
  std::condition_variable workChanged, batchReady, idle;
  // Guarded by the mutex, but for what is inside a slot that has claimed rows.
  std::vector<Slot> slots;
  EpochRows epoch; ///< changes only while no one works
  size_t nextClaimed = 0, nextTaken = 0, steps = 0, working = 0;
  bool holdsBatch = false; ///< the batch before nextTaken is in use
  bool stopping = false;
  std::vector<std::thread> threads;
};

} // namespace danaus
