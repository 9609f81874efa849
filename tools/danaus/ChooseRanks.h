// Ranks from weights: for each low-rank linear of a model, how many singular values its weight
// needs.
#pragma once

#include "runtime/structure/ConvertWeights.h"

#include <optional>

namespace danaus::tool {

/// How a rank follows from the singular values of the dense weight.
struct RankRule {
  /// The least rank that keeps this share (0 to 1) of the sum of their squares.
  std::optional<double> energy;
  /// Cuttlefish (Wang et al., MLSys 2023): the stable rank by that of random weights of this size,
  /// as a share of the smaller side.
  bool stable = false;

  bool isGiven() const { return energy || stable; }
};

/// A number above 0 and at most 1; Usage, naming `option`, for other texts.
Expected<double> energyOf(const char *option, const std::string &text);

/// Ranks that whole vectors fill, where they are not small: multiples of 8, at most `least`.
uint64_t roundedRank(uint64_t rank, uint64_t least);

/// sum(sigma^2) / max(sigma^2) that independent random elements have in the limit of large sides:
/// m n / (sqrt(m) + sqrt(n))^2, by the edge of the Marchenko-Pastur distribution.
double stableRankOfNoise(uint64_t m, uint64_t n);

/// The weight of the linear `name` multiplied out, of weights that were converted for the dense
/// twin of a model.
Expected<Matrix> denseWeight(const ConvertedWeights &weights, const fb::Phase &twin,
                             const std::string &name, uint64_t out, uint64_t in);

struct ChosenRank {
  std::string layer;
  uint64_t in = 0, out = 0, rank = 0;
  /// Whether two factors of this rank have fewer parameters than the layer itself.
  bool pays() const { return rank * (in + out) < in * out; }
};

/// A rank for each low-rank linear of `phase`.
Expected<std::vector<ChosenRank>> chooseRanks(const RankRule &rule, const fb::Phase &phase,
                                              const fb::Phase &twin, const ConvertedWeights &dense);

/// The value of a spec's `structure`: that of `phase`, with the chosen ranks; where they do not
/// pay, dense.
std::string structureWith(const fb::Phase &phase, const std::vector<ChosenRank> &ranks);

} // namespace danaus::tool
