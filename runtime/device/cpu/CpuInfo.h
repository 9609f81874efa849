// What the runtime asks the system about this machine's processor and memory.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace danaus {

/// "AMD EPYC 9R45", from /proc/cpuinfo.
std::string cpuModelName();

/// The CPUs that this process may run on (its affinity mask), ascending.
std::vector<int> affinityCpus();

/// Cores that this process may keep busy: its affinity mask, less if its control group has a quota.
unsigned usableCores();

/// Physical memory, less if the process's control group is limited.
uint64_t usableMemoryBytes();

/// Answers whether the processor has a feature, by its name in the compiler: "avx512f".
using HasFeature = std::function<bool(std::string_view feature)>;
bool cpuHasFeature(std::string_view feature);

/// Asks Linux to let this process use the matrix tiles, which code for "amx" needs. For all
/// threads, those that run already too. DeviceUnavailable where it refuses.
Status requestMatrixTiles();

/// The ISAs of TargetPlan.isa, best first.
std::vector<std::string> knownIsas();

/// DeviceUnavailable when code for `isa` cannot run: names the missing feature and the best target
/// that would run here.
Status checkIsa(std::string_view isa, const HasFeature &hasFeature = cpuHasFeature);

} // namespace danaus
