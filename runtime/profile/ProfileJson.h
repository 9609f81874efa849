// A profile as JSON: what `danaus profile --json` prints, and what a run keeps for its report.
#pragma once

#include "runtime/profile/ProfileRows.h"

namespace danaus {

/// {"model", "device", "arch", "step", "batch", "steps", "kernels": [{"kernel", "kind", "layers",
/// "lines", "launches", "ms", "flops", "bytes", "limit_ms", ...}], "times_by", "counters",
/// "no_counters", "ms_per_step", "threads", "taken", "time": {"compute": {"ms", "share"},
/// "communication", "input_wait", "idle"}, "limit": {"from", "flops", "matrix_flops",
/// "bytes_per_second", "cache_bytes_per_second", "of_products": [{"name", "flops"}]},
/// "by_layer": [{"layer", "structure", "ms", "estimated"}]}. Times of kernels and layers are of one
/// step, of all threads together; of `time` by the clock, parts of ms_per_step
/// (stepParts). Rates of the limit per second, of_products those of the kinds that occur. What is
/// not known is null.
std::string profileJson(const ProfileReport &report);

} // namespace danaus
