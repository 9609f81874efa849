// See KernelTimer.h.
#include "runtime/train/KernelTimer.h"

#include <algorithm>

namespace danaus {

KernelTimer::KernelTimer(Executor &executor, uint64_t steps, uint64_t left)
    : executor(executor), untilFirst(std::min(WarmSteps, left / 2)),
      left(std::min(left - untilFirst, steps)) {}

void KernelTimer::begin(uint64_t step) {
  if (!left || untilFirst)
    return;
  if (times.steps == 0) {
    times.firstStep = step;
    setTiming(executor, Measured::Update, Timing::On);
  }
  start = Clock::now();
}

std::optional<KernelTimes> KernelTimer::end() {
  if (!left)
    return std::nullopt;
  if (untilFirst) {
    --untilFirst;
    return std::nullopt;
  }
  times.steps += 1;
  times.milliseconds += std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  if (--left)
    return std::nullopt;
  setTiming(executor, Measured::Update, Timing::Off);
  times.milliseconds /= double(times.steps);
  times.launches = launchTimes(executor, Measured::Update, times.steps);
  return std::move(times);
}

} // namespace danaus
