// See RankOptions.h.
#include "tools/danaus/models/RankOptions.h"

#include "tools/danaus/command/Text.h"

#include <algorithm>
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

std::vector<RankedLinear> lowRankLinears(const fb::Phase &phase, const RankRule &rule) {
  std::vector<RankedLinear> linears;
  for (const fb::Layer *layer : *phase.layers())
    if (layer->structure()->str().starts_with("low_rank"))
      linears.push_back({layer->name()->str(), layer->in_features(), layer->out_features(), rule});
  return linears;
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
