// See GradientNorm.h.
#include "runtime/step/GradientNorm.h"

#include "runtime/plan/Control.h"

#include <cmath>

namespace danaus {

namespace {

/// What a thread adds up at a time: fixed, so that the sum does not depend on their number.
constexpr size_t BlockElements = 32 * 1024;
/// Sums beside one another: vectors of any instruction set.
constexpr size_t Lanes = 16;

double squareSum(std::span<const float> values) {
  float lanes[Lanes] = {};
  size_t whole = values.size() / Lanes * Lanes;
  for (size_t i = 0; i < whole; i += Lanes)
    for (size_t lane = 0; lane < Lanes; ++lane)
      lanes[lane] += values[i + lane] * values[i + lane];
  double sum = 0;
  for (float lane : lanes)
    sum += double(lane);
  for (float value : values.subspan(whole))
    sum += double(value) * double(value);
  return sum;
}

/// Of this rank's share of the updates.
double ownSquareSum(Executor &executor) {
  std::vector<std::span<const float>> blocks;
  for (size_t i = 0; i < executor.parameterCount(); ++i) {
    Executor::Share share = executor.shareOf(i, executor.ranks().rank());
    std::span<const float> own = executor.readGradient(i).subspan(share.first, share.count);
    for (; !own.empty(); own = own.subspan(std::min(BlockElements, own.size())))
      blocks.push_back(own.first(std::min(BlockElements, own.size())));
  }
  std::vector<double> sums(blocks.size());
  executor.device().parallelFor(blocks.size(), [&](uint64_t i) { sums[i] = squareSum(blocks[i]); });
  double sum = 0;
  for (double each : sums)
    sum += each;
  return sum;
}

/// An overflow of float16 has no norm.
std::optional<float> ifFinite(float norm) {
  return std::isfinite(norm) ? std::optional(norm) : std::nullopt;
}

} // namespace

Expected<std::optional<float>> gradientNorm(Executor &executor, NormCost cost) {
  const fb::Training &training = *executor.model().training();
  if (training.clip_grad_norm() > 0 || training.dtype() == fb::DType::F16)
    return ifFinite(executor.metrics()[metrics::GradNorm]);
  Communicator &ranks = executor.ranks();
  bool isShared = executor.isSharded() && !ranks.isAlone();
  if (cost == NormCost::Logged && (isShared || executor.fillsAhead()))
    return std::optional<float>();
  if (!isShared && !ranks.isFirst())
    return std::optional<float>();
  double sum = ownSquareSum(executor);
  if (isShared)
    if (Status status = ranks.sum(std::span(&sum, 1)); !status)
      return status.takeError();
  return ifFinite(float(std::sqrt(sum)));
}

} // namespace danaus
