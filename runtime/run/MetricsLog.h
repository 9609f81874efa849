// The append-only files of a run: metrics.jsonl (steps and epochs), metrics.csv (epochs), and the
// TensorBoard events. A checkpoint remembers how many records each held (MetricsCounters); resuming
// cuts what came later, so the files go on without gap or repeat.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/run/RunFolder.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace danaus {

struct MetricsCounters {
  uint64_t jsonRows = 0, csvRows = 0, events = 0;
};

struct StepRow {
  uint64_t step = 0; ///< from 1
  float loss = 0;
  std::optional<float> gradNorm;
  std::optional<float> lossScale; ///< of float16
};

struct EpochRow {
  uint64_t epoch = 0, step = 0; ///< epoch from 1; step: updates done at its end
  double trainLoss = 0;
  std::optional<double> valLoss, valAccuracy; ///< absent without validation images
  double lr = 0, seconds = 0, imagesPerSecond = 0;
  std::optional<double> gradNorm = {}; ///< of its last step; not in metrics.csv
};

class MetricsLog {
public:
  /// Opens the three files of the run and cuts them to `counters`: those of the checkpoint when
  /// resuming, zeros (the default) in a new folder.
  static Expected<MetricsLog> open(const RunFolder &run, const MetricsCounters &counters = {});
  MetricsLog(MetricsLog &&) noexcept;
  ~MetricsLog();

  Status step(const StepRow &row);
  Status epoch(const EpochRow &row);
  /// Everything written so far can be read by others; an epoch does this by itself.
  Status flush();
  /// Everything written so far is on disk; call before a checkpoint that carries counters().
  Status sync();
  MetricsCounters counters() const;
  /// The epoch rows kept on resume, then the new ones: what the report shows.
  const std::vector<EpochRow> &epochs() const;

private:
  struct Files;
  explicit MetricsLog(std::unique_ptr<Files> files);
  std::unique_ptr<Files> files;
};

} // namespace danaus
