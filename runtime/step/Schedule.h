// The learning rate of every step and the other scalars of the control buffer (plan/Control.h).
// Pure arithmetic on the host: in double, stored as float. Knows the model table's Schedule and
// Optimizer, nothing of data or devices.
#pragma once

#include "runtime/plan/model_generated.h"

#include <cstdint>
#include <span>

namespace danaus {

class Schedule {
public:
  /// Copies what it needs: the tables may go. `stepsPerEpoch` must not be 0; `seed` is the run's.
  Schedule(const fb::Schedule &schedule, const fb::Optimizer &optimizer, uint64_t epochs,
           uint64_t stepsPerEpoch, uint64_t seed);

  /// The rate of the update that takes step `step`, counted from 0 over the whole run, times the
  /// scale (1 until set):
  ///   constant  lr
  ///   step      lr * gamma^floor(epoch / step_size), as PyTorch's StepLR called once an epoch
  ///   cosine    lr * step / W for step < W, then
  ///             min_lr + (lr - min_lr) / 2 * (1 + cos(pi * (step - W) / (T - W))),
  ///             W = warmup_epochs * steps per epoch, T = epochs * steps per epoch
  double learningRate(uint64_t step) const;

  /// Writes all scalars of step `step` for a batch with `validRows` real rows (at least 1), the
  /// words of dropout's counters among them. `skipped` of the steps before it made no update.
  void fillControl(uint64_t step, uint64_t validRows, std::span<float> control,
                   uint64_t skipped = 0) const;

  /// Multiplies the rate from here on: the scale of the phase.
  void setScale(double factor) { scale = factor; }

private:
  double cosine(double step) const;
  double unscaledRate(uint64_t step) const;

  fb::ScheduleKind kind;
  double rate, gamma, minRate;
  uint64_t stepSize, stepsPerEpoch, seed;
  double warmupSteps, totalSteps, scale = 1;
  /// Of Adam and AdamW; 0 otherwise, which makes both corrections 1.
  double beta1 = 0, beta2 = 0;
};

} // namespace danaus
