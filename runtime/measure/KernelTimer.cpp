// See KernelTimer.h.
#include "runtime/measure/KernelTimer.h"

#include <algorithm>

namespace danaus {

static double millisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

KernelTimer::KernelTimer(Executor &executor, uint64_t steps, uint64_t left)
    : executor(executor), untilFirst(std::min(WarmSteps, left / 2)),
      left(std::min(left - untilFirst, steps)) {}

void KernelTimer::begin(uint64_t step) {
  if (!isTiming())
    return;
  if (times.steps == 0) {
    times.firstStep = step;
    setTiming(executor, Measured::Update, Timing::On);
  }
  start = Clock::now();
}

void KernelTimer::beginInput() {
  if (isTiming())
    inputStart = Clock::now();
}

void KernelTimer::endInput() {
  if (isTiming())
    times.waits.input += millisecondsSince(inputStart);
}

std::optional<KernelTimes> KernelTimer::end() {
  if (!left)
    return std::nullopt;
  if (untilFirst) {
    --untilFirst;
    return std::nullopt;
  }
  times.steps += 1;
  times.milliseconds += millisecondsSince(start);
  if (--left)
    return std::nullopt;
  setTiming(executor, Measured::Update, Timing::Off);
  double steps = double(times.steps);
  times.milliseconds /= steps;
  times.waits.input /= steps;
  times.waits.communication = double(executor.waitedForRanks()) * 1e-6 / steps;
  times.launches = launchTimes(executor, Measured::Update, times.steps);
  return std::move(times);
}

} // namespace danaus
