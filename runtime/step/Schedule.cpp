// See Schedule.h.
#include "runtime/step/Schedule.h"

#include "runtime/plan/Control.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <numbers>

namespace danaus {

Schedule::Schedule(const fb::Schedule &schedule, const fb::Optimizer &optimizer, uint64_t epochs,
                   uint64_t stepsPerEpoch, uint64_t seed)
    : kind(schedule.kind()), rate(schedule.lr()), gamma(schedule.gamma()),
      minRate(schedule.min_lr()), stepSize(std::max<uint64_t>(schedule.step_size(), 1)),
      stepsPerEpoch(stepsPerEpoch), seed(seed),
      warmupSteps(schedule.warmup_epochs() * double(stepsPerEpoch)),
      totalSteps(double(epochs) * double(stepsPerEpoch)) {
  assert(stepsPerEpoch > 0 && "an epoch has at least one step");
  if (optimizer.kind() != fb::OptimizerKind::Sgd) {
    beta1 = optimizer.beta1();
    beta2 = optimizer.beta2();
  }
}

double Schedule::cosine(double step) const {
  if (step < warmupSteps)
    return rate * step / warmupSteps;
  // At and past the end (a warm-up as long as the run) the rate stays at its minimum.
  if (!(step < totalSteps))
    return minRate;
  double done = (step - warmupSteps) / (totalSteps - warmupSteps);
  return minRate + (rate - minRate) / 2 * (1 + std::cos(std::numbers::pi * done));
}

double Schedule::learningRate(uint64_t step) const { return scale * unscaledRate(step); }

double Schedule::unscaledRate(uint64_t step) const {
  switch (kind) {
  case fb::ScheduleKind::Constant:
    return rate;
  case fb::ScheduleKind::Step:
    return rate * std::pow(gamma, double(step / stepsPerEpoch / stepSize));
  case fb::ScheduleKind::Cosine:
    return cosine(double(step));
  }
  return rate;
}

void Schedule::fillControl(uint64_t step, uint64_t validRows, std::span<float> control,
                           uint64_t skipped) const {
  assert(control.size() >= control::Count && validRows > 0 && skipped <= step);
  double updates = double(step - skipped) + 1;
  control[control::LearningRate] = float(learningRate(step));
  control[control::InverseCount] = float(1.0 / double(validRows));
  control[control::Correction1] = float(1.0 / (1.0 - std::pow(beta1, updates)));
  control[control::Correction2] = float(1.0 / std::sqrt(1.0 - std::pow(beta2, updates)));
  control[control::FirstUpdate] = step == skipped ? 1.0f : 0.0f;
  control[control::GradientWeight] = control[control::InverseCount];
  control[control::InverseScale] = 1;
  control[control::RandomKey0] = std::bit_cast<float>(uint32_t(seed));
  control[control::RandomKey1] = std::bit_cast<float>(uint32_t(seed >> 32));
  control[control::RandomStep] = std::bit_cast<float>(uint32_t(step));
}

} // namespace danaus
