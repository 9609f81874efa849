// Ranks from weights on the command line: the share that --energy takes, and ranks as the value of
// a spec's `structure`.
#pragma once

#include "runtime/structure/ChooseRanks.h"

namespace danaus::tool {

/// A number above 0 and at most 1; Usage, naming `option`, for other texts.
Expected<double> energyOf(const char *option, const std::string &text);

/// The low-rank linears of `phase`, to be ranked by `rule`.
std::vector<RankedLinear> lowRankLinears(const fb::Phase &phase, const RankRule &rule);

/// The value of a spec's `structure`: that of `phase`, with the chosen ranks; where they do not
/// pay, dense.
std::string structureWith(const fb::Phase &phase, const std::vector<ChosenRank> &ranks);

} // namespace danaus::tool
