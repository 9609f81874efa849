// runs/NAME/: where a run keeps everything. Never overwrites an earlier run by accident. Holds the
// small files that are written whole: config.yaml, summary.json.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace danaus {

enum class RunMode { Fresh, Resume };

class RunFolder {
public:
  /// Fresh: the folder is absent or empty, else ExitCode::Usage. Resume: it must hold a run.
  static Expected<RunFolder> open(const std::string &path, RunMode mode);
  /// The names of a run that another rank writes: nothing is looked at.
  static RunFolder ofOtherRank(const std::string &path, RunMode mode) { return {path, mode}; }

  const std::string &path() const { return folder; }
  RunMode mode() const { return runMode; }
  std::string file(const std::string &name) const;
  std::string checkpoints() const { return file("checkpoints"); }

  /// config.yaml: the resolved spec.
  Status writeConfig(const std::string &yaml) const;

private:
  RunFolder(std::string folder, RunMode mode) : folder(std::move(folder)), runMode(mode) {}
  std::string folder;
  RunMode runMode;
};

/// summary.json: the run in a few numbers.
struct RunSummary {
  std::string model, device;
  uint64_t params = 0, macs = 0, denseParams = 0, denseMacs = 0;
  uint64_t epochs = 0, steps = 0, bestEpoch = 0;
  std::optional<double> bestValAccuracy, testAccuracy, testLoss;
  double seconds = 0;
  uint64_t peakBytes = 0; ///< largest resident memory of the process, that of rank 0
  uint64_t ranks = 1;     ///< processes that trained together
};
std::string summaryJson(const RunSummary &summary);
Status writeSummary(const RunFolder &run, const RunSummary &summary);

} // namespace danaus
