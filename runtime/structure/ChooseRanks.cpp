// See ChooseRanks.h.
#include "runtime/structure/ChooseRanks.h"

#include "runtime/structure/Spectrum.h"

#include <algorithm>
#include <cmath>

namespace danaus {

using ull = unsigned long long;

uint64_t roundedRank(uint64_t rank, uint64_t least) {
  return std::min(least, rank < 8 ? rank : (rank + 7) / 8 * 8);
}

double stableRankOfNoise(uint64_t m, uint64_t n) {
  double sides = std::sqrt(double(m)) + std::sqrt(double(n));
  return double(m) * double(n) / (sides * sides);
}

static uint64_t rankOf(const RankedLinear &linear, const Spectrum &spectrum) {
  uint64_t least = std::min(linear.in, linear.out);
  if (linear.rule.energy)
    return roundedRank(spectrum.rankFor(*linear.rule.energy), least);
  double share = std::min(1.0, spectrum.stableRank() / stableRankOfNoise(linear.out, linear.in));
  return roundedRank(std::max<uint64_t>(1, uint64_t(std::ceil(share * double(least)))), least);
}

std::string whyDense(const ChosenRank &rank) {
  return format("%s stays dense: two factors of rank %llu have no fewer parameters than %llu -> "
                "%llu",
                rank.layer.c_str(), ull(rank.rank), ull(rank.in), ull(rank.out));
}

Expected<std::vector<ChosenRank>> chooseRanks(const std::vector<RankedLinear> &linears,
                                              const WeightSource &weights) {
  std::vector<ChosenRank> chosen;
  for (const RankedLinear &linear : linears) {
    auto weight = readDense(weights, linear.layer, linear.out, linear.in);
    if (!weight)
      return weight.takeError();
    auto spectrum = spectrumOf(*weight);
    if (!spectrum)
      return spectrum.takeError().during("looking at " + linear.layer);
    uint64_t rank = rankOf(linear, *spectrum);
    chosen.push_back({linear.layer, linear.in, linear.out, rank, spectrum->energyOf(rank)});
  }
  return chosen;
}

} // namespace danaus
