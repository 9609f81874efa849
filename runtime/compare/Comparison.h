// Runs of several models with several seeds, and what they say together: one row a model, the first
// being what the others are compared with.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/compare/Statistics.h"

#include <string>
#include <utility>
#include <vector>

namespace danaus {

/// What a finished run left in its folder.
struct ComparedRun {
  uint64_t seed = 0;
  double testAccuracy = 0, testLoss = 0;
  std::optional<double> bestValAccuracy;
  double epochSeconds = 0; ///< mean over the epochs, validation included
  uint64_t peakBytes = 0;
  uint64_t params = 0, macs = 0; ///< with the ranks that its weights chose, where they did
  /// (seconds of training at the epoch's end, validation accuracy); empty without validation.
  std::vector<std::pair<double, double>> accuracyOverTime;
};

/// Reads summary.json and metrics.jsonl of a finished run. CheckpointInvalid where they are not
/// what a run writes.
Expected<ComparedRun> readRun(const std::string &folder, uint64_t seed);

struct ComparedModel {
  std::string name, spec;        ///< spec: the path that the user gave
  uint64_t params = 0, macs = 0; ///< of the spec; where there are runs, theirs count
  std::vector<ComparedRun> runs; ///< in the order of the seeds, the same for every model
};

/// The numbers of a row, over the seeds.
struct ComparisonRow {
  Spread testAccuracy, epochSeconds;
  uint64_t peakBytes = 0;             ///< the largest
  uint64_t params = 0, macs = 0;      ///< means of the runs, rounded
  Spread speed;                       ///< the first model's epoch time by this one's, seed by seed
  std::optional<PairedTest> accuracy; ///< against the first model; nothing of the first itself
};
std::vector<ComparisonRow> compareRuns(const std::vector<ComparedModel> &models);

/// {"seeds": [...], "models": [{"name", "spec", "params", "macs", "test_accuracy": {"mean",
/// "deviation"}, "epoch_seconds", "speed", "peak_bytes", "paired_test": {"difference", "t", "p"},
/// "runs": [...]}]}.
std::string comparisonJson(const std::vector<ComparedModel> &models);

/// A page with the table and a plot of validation accuracy over training time, without network.
std::string comparisonPage(const std::vector<ComparedModel> &models);

} // namespace danaus
