// See ChooseRanks.h.
#include "tools/danaus/ChooseRanks.h"

#include "runtime/structure/Spectrum.h"
#include "tools/danaus/Text.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace danaus::tool {

Expected<double> energyOf(const char *option, const std::string &text) {
  char *end = nullptr;
  double energy = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end || !(energy > 0 && energy <= 1))
    return Error(ExitCode::Usage,
                 std::string(option) + " '" + text + "' is not a number above 0 and at most 1");
  return energy;
}

uint64_t roundedRank(uint64_t rank, uint64_t least) {
  return std::min(least, rank < 8 ? rank : (rank + 7) / 8 * 8);
}

double stableRankOfNoise(uint64_t m, uint64_t n) {
  double sides = std::sqrt(double(m)) + std::sqrt(double(n));
  return double(m) * double(n) / (sides * sides);
}

Expected<Matrix> denseWeight(const ConvertedWeights &weights, const fb::Phase &twin,
                             const std::string &name, uint64_t out, uint64_t in) {
  for (unsigned i = 0; i < twin.parameters()->size(); ++i)
    if (twin.parameters()->Get(i)->name()->str() == name + ".weight") {
      Matrix matrix(out, in);
      std::ranges::copy(weights.values[i], matrix.data.begin());
      return matrix;
    }
  return Error(ExitCode::Internal, "no weight of " + name);
}

static uint64_t rankOf(const RankRule &rule, const Spectrum &spectrum, uint64_t out, uint64_t in) {
  uint64_t least = std::min(in, out);
  if (rule.energy)
    return roundedRank(spectrum.rankFor(*rule.energy), least);
  double share = std::min(1.0, spectrum.stableRank() / stableRankOfNoise(out, in));
  return roundedRank(std::max<uint64_t>(1, uint64_t(std::ceil(share * double(least)))), least);
}

Expected<std::vector<ChosenRank>> chooseRanks(const RankRule &rule, const fb::Phase &phase,
                                              const fb::Phase &twin,
                                              const ConvertedWeights &dense) {
  std::vector<ChosenRank> chosen;
  for (const fb::Layer *layer : *phase.layers()) {
    if (!layer->structure()->str().starts_with("low_rank"))
      continue;
    ChosenRank &rank = chosen.emplace_back();
    rank = {layer->name()->str(), layer->in_features(), layer->out_features()};
    auto weight = denseWeight(dense, twin, rank.layer, rank.out, rank.in);
    if (!weight)
      return weight.takeError();
    auto spectrum = spectrumOf(*weight);
    if (!spectrum)
      return spectrum.takeError().during("looking at " + rank.layer);
    rank.rank = rankOf(rule, *spectrum, rank.out, rank.in);
  }
  return chosen;
}

std::string structureWith(const fb::Phase &phase, const std::vector<ChosenRank> &ranks) {
  std::string rules;
  for (const fb::Layer *layer : *phase.layers()) {
    std::string name = layer->name()->str(), structure = layer->structure()->str();
    size_t equals = structure.find('='); // "monarch N=4"
    if (equals == std::string::npos || !layer->dense_params())
      continue;
    std::string kind = structure.substr(0, structure.find(' '));
    std::string size = "nblocks: " + structure.substr(equals + 1);
    if (auto rank = std::ranges::find(ranks, name, &ChosenRank::layer); rank != ranks.end()) {
      if (!rank->pays())
        continue;
      size = format("rank: %llu", (unsigned long long)rank->rank);
    }
    rules += std::string(rules.empty() ? "" : ", ") + "{match: " + jsonString(name) +
             ", kind: " + kind + ", " + size + "}";
  }
  return "[" + rules + "]";
}

} // namespace danaus::tool
