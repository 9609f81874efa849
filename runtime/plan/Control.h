// The control buffer: the scalars that change from step to step, written by the runtime before a
// step and read by kernels, so that a step's code (or captured graph) never changes. And the
// metrics buffer, written by kernels and read by the runtime after a step. Both are float32 arrays;
// the compiler bakes these indices into kernels, so a change here is a change of the file version
// (ModelFile.h).
#pragma once

#include <cstddef>

namespace danaus::control {
inline constexpr size_t LearningRate = 0;
/// 1 / (number of rows of this update whose label is not -1; of this batch in an EvalStep).
inline constexpr size_t InverseCount = 1;
/// 1 / (1 - beta1^t), t counting updates from 1 (Adam).
inline constexpr size_t Correction1 = 2;
/// 1 / sqrt(1 - beta2^t).
inline constexpr size_t Correction2 = 3;
/// 1 at the first update, else 0: SGD's momentum buffer starts as the gradient.
inline constexpr size_t FirstUpdate = 4;
/// 1 for the first micro-batch of an update, else 0: it starts the sums of gradients and losses.
inline constexpr size_t FirstMicroBatch = 5;
/// What each valid row weighs in the gradient: InverseCount, times the loss scale in float16.
inline constexpr size_t GradientWeight = 6;
/// 1 / the loss scale; 1 where there is none.
inline constexpr size_t InverseScale = 7;
/// 32-bit integers in the bits of the floats, for nn.dropout's counters: the seed's two halves, the
/// number of the update (from 0), and the place of this launch's first sample in the global batch.
inline constexpr size_t RandomKey0 = 8;
inline constexpr size_t RandomKey1 = 9;
inline constexpr size_t RandomStep = 10;
inline constexpr size_t FirstSample = 11;
inline constexpr size_t Count = 16;
} // namespace danaus::control

namespace danaus::metrics {
/// Mean loss over the valid rows of the batch, before the update.
inline constexpr size_t Loss = 0;
/// Number of rows whose largest logit is the label's.
inline constexpr size_t Correct = 1;
/// L2 norm of the whole gradient, not scaled, before clipping (when the spec clips or scales).
inline constexpr size_t GradNorm = 2;
inline constexpr size_t Count = 16;
} // namespace danaus::metrics
