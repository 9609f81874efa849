// What the kernels of a step did: times, arithmetic and traffic of each launch, and where the
// device counts, what each kernel did to memory.
#pragma once

#include "runtime/measure/Measure.h"

#include <optional>
#include <string>
#include <vector>

namespace danaus {

/// A kernel with all its launches of one step.
struct KernelProfile {
  std::string symbol, kind;
  std::vector<const fb::Launch *> launches;
  double milliseconds = 0; ///< of one step: the launches' times, all threads together
  /// Of one step. Bytes: each operand and result once, the least traffic.
  uint64_t flops = 0, bytes = 0;
  /// Of `flops`: those of a matrix unit, and the products that it makes for each (KernelWork).
  /// Nothing where the plan does not say it, which is older.
  std::optional<uint64_t> matrixFlops = 0;
  uint32_t matrixProducts = 1;
  // Of CUDA code, else 0.
  uint32_t registers = 0;   ///< of a thread
  uint32_t spillBytes = 0;  ///< of a thread
  uint32_t sharedBytes = 0; ///< of a block
  /// Counted over the profiled steps; launches = 0 where the device does not count.
  KernelCounters counters;
  // Of countKernels, over its steps, all threads together.
  ThreadCounters::Counts counts = {};
  double countedMilliseconds = 0;
};

struct StepProfile {
  uint64_t steps = 0;                 ///< that counters and times were taken over
  uint64_t countedSteps = 0;          ///< of countKernels
  double milliseconds = 0;            ///< of one step by the clock
  StepWaits waits;                    ///< of it
  std::vector<KernelProfile> kernels; ///< in the order of their first launch
  std::vector<LaunchTime> launches;   ///< in the order of the program
};

/// Puts together what was measured. No counters.
StepProfile profileOf(Executor &executor, LaunchTimes times);

/// Runs steps (Measure.h) and collects. Errors are those of running.
Expected<StepProfile> profileKernels(Executor &executor, Measured what,
                                     const MeasureOptions &options);

/// Runs `steps` more and adds what `counters` count to the kernels of a profile. Not in the steps
/// whose times were taken: a reading takes half a microsecond, twice for each launch of a thread.
Status countKernels(Executor &executor, Measured what, ThreadCounters &counters, uint64_t steps,
                    StepProfile &into);

} // namespace danaus
