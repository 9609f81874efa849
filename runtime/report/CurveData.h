// The charts of a run as JSON for the page's script (report.js).
#pragma once

#include "runtime/report/RunFiles.h"

namespace danaus {

/// [{"id", "title", "x", "log", "bars", "series": [{"name", "points": [[x, y], ...]}],
/// "borders": [x, ...]}]; charts without a finite value are left out, and the norms of epochs' last
/// steps where those of more steps are known. Of more than `most` points of steps, each stands for
/// several and is their mean.
nlohmann::ordered_json curveCharts(const RunFiles &run, size_t most = 1000);

/// {"id", "title", "kernels": [{"name", "layers", "x", "y"}], "roofs": [{"name", "flops",
/// "bytes_per_second"}]}: FLOP per byte and GFLOP/s of all threads of a profile (ProfileJson.h),
/// and the limits of the processor; null where no kernel has arithmetic.
nlohmann::ordered_json rooflineChart(const nlohmann::json &profile, const std::string &id);

/// Text of a script element: no "<" ends it.
std::string jsonForScript(const nlohmann::ordered_json &json);

} // namespace danaus
