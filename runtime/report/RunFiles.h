// What a report is made from: the files of a run's folder, or a compiled model with a profile.
#pragma once

#include "runtime/plan/ModelFile.h"
#include "runtime/report/MetricsRows.h"

#include <map>
#include <memory>

namespace danaus {

struct RunFiles {
  std::shared_ptr<const ModelFile> model;
  MetricsRows metrics;
  nlohmann::json summary; ///< of a finished run, else null
  /// Names and values for people, in the order in which they are shown.
  std::vector<std::pair<std::string, std::string>> environment;
  /// By phase, from 1: ProfileJson.h, and what happened at the border before it (PhaseBorder.h).
  std::map<uint64_t, nlohmann::json> profiles, borders;
};

/// "profile-1.json": the times of a phase's kernels, in a run's folder.
std::string profileFileName(uint64_t phase);

/// Reads a run's folder. metrics.jsonl and model.dnb must be there, everything else is shown where
/// it is. Usage where the folder is not of a run, CheckpointInvalid where a file is damaged.
Expected<RunFiles> readRunFiles(const std::string &folder);

} // namespace danaus
