// report.html: one file without network that shows a run: curves as inline SVG, the epoch table,
// the layers with what their structure saves, the environment and the spec. Light and dark.
#pragma once

#include "runtime/train/MetricsLog.h"

#include <utility>

namespace danaus {

struct ReportLayer {
  std::string name, structure;
  uint64_t in = 0, out = 0, params = 0, macs = 0, denseMacs = 0;
};

struct ReportPhase {
  uint64_t epochs = 0, params = 0, macs = 0;
  double lrScale = 1;
  bool projectsState = false;
};

struct ReportContent {
  RunSummary summary;
  /// In order; shown where there are several.
  std::vector<ReportPhase> phases;
  std::vector<EpochRow> epochs;
  std::vector<ReportLayer> layers;
  /// Shown in this order: {"CPU", "..."}, {"threads", "2"}.
  std::vector<std::pair<std::string, std::string>> environment;
  /// The resolved spec.
  std::string spec;
};

std::string renderReport(const ReportContent &content);
Status writeReport(const RunFolder &run, const ReportContent &content);

} // namespace danaus
