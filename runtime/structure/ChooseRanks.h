// Ranks from weights: for each linear that shall become low-rank, how many singular values its
// weight needs.
#pragma once

#include "runtime/structure/ConvertWeights.h"

#include <optional>

namespace danaus {

/// How a rank follows from the singular values of the dense weight.
struct RankRule {
  /// The least rank that keeps this share (above 0, at most 1) of the sum of their squares.
  std::optional<double> energy;
  /// Cuttlefish (Wang et al., MLSys 2023): the stable rank by that of random weights of this size,
  /// as a share of the smaller side.
  bool stable = false;

  bool isGiven() const { return energy || stable; }
};

/// Ranks that whole vectors fill, where they are not small: multiples of 8, at most `least`.
uint64_t roundedRank(uint64_t rank, uint64_t least);

/// sum(sigma^2) / max(sigma^2) that independent random elements have in the limit of large sides:
/// m n / (sqrt(m) + sqrt(n))^2, by the edge of the Marchenko-Pastur distribution.
double stableRankOfNoise(uint64_t m, uint64_t n);

/// A linear whose rank is to be chosen.
struct RankedLinear {
  std::string layer;
  uint64_t in = 0, out = 0;
  RankRule rule;
};

struct ChosenRank {
  std::string layer;
  uint64_t in = 0, out = 0, rank = 0;
  double energyKept = 1; ///< by that rank: its share of the sum of squares
  /// Whether two factors of this rank have fewer parameters than the layer itself; where not, it
  /// stays dense.
  bool pays() const { return rank * (in + out) < in * out; }
};

/// "hidden.0 stays dense: two factors of rank 64 have no fewer parameters than 128 -> 128".
std::string whyDense(const ChosenRank &rank);

/// A rank for each of the linears, whatever structure `weights` has them in. Errors of readDense
/// and computeSvd.
Expected<std::vector<ChosenRank>> chooseRanks(const std::vector<RankedLinear> &linears,
                                              const WeightSource &weights);

} // namespace danaus
