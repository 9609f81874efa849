// ranks.json of a run: the ranks that its weights have chosen, for the compiler and for people.
// {"phases": [{"phase": 2, "layers": [{"name", "in", "out", "structure": "low_rank" or "dense",
// "rank", "energy_kept"}]}]}; `rank` is what the rule asked for, also of a layer that stays dense.
#pragma once

#include "runtime/structure/ChooseRanks.h"

namespace danaus {

inline constexpr const char *rankFileName = "ranks.json";

struct PhaseRanks {
  uint64_t phase = 0; ///< from 1
  std::vector<ChosenRank> layers;
};

/// The phases in order.
std::string rankFileText(const std::vector<PhaseRanks> &phases);

/// CheckpointInvalid, naming the file, where it is not what rankFileText writes.
Expected<std::vector<PhaseRanks>> readRankFile(const std::string &path);

/// The ranks of a phase (from 1), or null.
const PhaseRanks *findPhase(const std::vector<PhaseRanks> &phases, uint64_t phase);

} // namespace danaus
