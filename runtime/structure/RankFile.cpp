// See RankFile.h.
#include "runtime/structure/RankFile.h"

#include "runtime/base/File.h"
#include "runtime/base/Json.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace danaus {

namespace {

using nlohmann::json;

constexpr uint64_t mostBytes = 64 << 20;
constexpr const char *lowRank = "low_rank", *dense = "dense";

bool isCount(const json &object, const char *key) {
  return object.contains(key) && object[key].is_number_unsigned() && object[key] > 0 &&
         object[key] <= (1u << 24);
}

/// What is wrong with a layer, or nothing; filled into `rank`.
std::string readLayer(const json &entry, ChosenRank &rank) {
  if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string())
    return "a layer has no name";
  rank.layer = entry["name"].get<std::string>();
  for (const char *key : {"in", "out", "rank"})
    if (!isCount(entry, key))
      return rank.layer + " has no `" + key + "` from 1 to 2^24";
  rank.in = entry["in"];
  rank.out = entry["out"];
  rank.rank = entry["rank"];
  if (rank.rank > std::min(rank.in, rank.out))
    return rank.layer + " has a rank above its smaller side";
  if (!entry.contains("energy_kept") || !entry["energy_kept"].is_number())
    return rank.layer + " has no `energy_kept`";
  rank.energyKept = entry["energy_kept"];
  if (!entry.contains("structure") || entry["structure"] != (rank.pays() ? lowRank : dense))
    return rank.layer + " is not `structure: " + (rank.pays() ? lowRank : dense) +
           "`, which its rank gives";
  return "";
}

std::string readPhase(const json &entry, PhaseRanks &phase) {
  if (!entry.is_object() || !isCount(entry, "phase") || !entry.contains("layers") ||
      !entry["layers"].is_array())
    return "an entry without `phase` and `layers`";
  phase.phase = entry["phase"];
  std::set<std::string> names;
  for (const json &layer : entry["layers"]) {
    if (std::string wrong = readLayer(layer, phase.layers.emplace_back()); !wrong.empty())
      return wrong;
    if (!names.insert(phase.layers.back().layer).second)
      return phase.layers.back().layer + " is there twice";
  }
  return "";
}

} // namespace

std::string rankFileText(const std::vector<PhaseRanks> &phases) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const PhaseRanks &phase : phases) {
    nlohmann::ordered_json layers = nlohmann::ordered_json::array();
    for (const ChosenRank &rank : phase.layers)
      layers.push_back({{"name", rank.layer},
                        {"in", rank.in},
                        {"out", rank.out},
                        {"structure", rank.pays() ? lowRank : dense},
                        {"rank", rank.rank},
                        {"energy_kept", rank.energyKept}});
    all.push_back({{"phase", phase.phase}, {"layers", std::move(layers)}});
  }
  return nlohmann::ordered_json{{"phases", std::move(all)}}.dump(2, ' ', false,
                                                                 json::error_handler_t::replace) +
         "\n";
}

Expected<std::vector<PhaseRanks>> readRankFile(const std::string &path) {
  auto text = readFile(path, mostBytes, ExitCode::CheckpointInvalid);
  if (!text)
    return text.takeError();
  auto parsed = parseJson(*text, "'" + path + "'", ExitCode::CheckpointInvalid);
  if (!parsed)
    return parsed.takeError();
  auto invalid = [&](const std::string &what) {
    return Error(ExitCode::CheckpointInvalid,
                 "'" + path + "' does not hold the ranks of a run: " + what);
  };
  if (!parsed->is_object() || !parsed->contains("phases") || !(*parsed)["phases"].is_array())
    return invalid("it has no list `phases`");
  std::vector<PhaseRanks> phases;
  for (const json &entry : (*parsed)["phases"]) {
    if (std::string wrong = readPhase(entry, phases.emplace_back()); !wrong.empty())
      return invalid(wrong);
    if (phases.size() > 1 && phases[phases.size() - 2].phase >= phases.back().phase)
      return invalid("its phases are not in order");
  }
  return phases;
}

const PhaseRanks *findPhase(const std::vector<PhaseRanks> &phases, uint64_t phase) {
  auto found = std::ranges::find(phases, phase, &PhaseRanks::phase);
  return found == phases.end() ? nullptr : &*found;
}

} // namespace danaus
