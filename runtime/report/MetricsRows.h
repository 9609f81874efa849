// metrics.jsonl of a run, also while it is written.
#pragma once

#include "runtime/base/Status.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace danaus {

/// Rows of steps have "step" and no "epoch".
using MetricsRows = std::vector<nlohmann::json>;

/// A last row that is not whole yet is left out. Usage where `run` is not the folder of a run,
/// IoError where a row is no JSON object.
Expected<MetricsRows> readMetricsRows(const std::string &run);

/// Nothing where the row has no such metric. A value that was not finite is written as null and is
/// NaN here.
std::optional<double> metricOf(const nlohmann::json &row, const std::string &name);

} // namespace danaus
