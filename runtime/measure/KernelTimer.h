// Times of the kernels of some steps of a run, for its report: the steps are those that train, so
// that nothing is run beside them and no weight is other than it would be.
#pragma once

#include "runtime/measure/Measure.h"

#include <chrono>

namespace danaus {

struct KernelTimes {
  uint64_t firstStep = 0, steps = 0; ///< of the run, from 1; how many
  double milliseconds = 0;           ///< of one step by the clock, waiting for its batch counted
  StepWaits waits;                   ///< of one step
  std::vector<LaunchTime> launches;
};

/// begin and end go around each step, beginInput and endInput in it around each batch that is
/// waited for.
class KernelTimer {
public:
  /// Steps that run before, as long as memory and caches are cold; at most half of those there are.
  static constexpr uint64_t WarmSteps = 5;

  /// Times `steps` steps (0: none) of the `left` that the executor has before it does anything
  /// else.
  KernelTimer(Executor &executor, uint64_t steps, uint64_t left);

  void begin(uint64_t step);
  void beginInput();
  void endInput();
  /// Something after the last of the steps.
  std::optional<KernelTimes> end();

private:
  using Clock = std::chrono::steady_clock;

  bool isTiming() const { return left && !untilFirst; }

  Executor &executor;
  uint64_t untilFirst, left;
  KernelTimes times;
  Clock::time_point start, inputStart;
};

} // namespace danaus
