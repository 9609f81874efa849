// What a kernel did, counted exactly, on a device that can count (the virtual GPU). Plain data: its
// library fills it across an interface of C.
#pragma once

#include <cstdint>

namespace danaus {

/// Over all launches of a kernel so far.
struct KernelCounters {
  const char *symbol = nullptr; ///< lives as long as the process
  uint64_t launches = 0, blocks = 0;
  uint64_t warpInstructions = 0, threadInstructions = 0; ///< of PTX
  uint64_t globalRequests = 0;                           ///< accesses of warps to global memory
  uint64_t globalSectors = 0, idealGlobalSectors = 0;    ///< of 32 bytes; if bytes lay side by side
  uint64_t uniqueReadBytes = 0, uniqueWrittenBytes = 0;  ///< different sectors of a launch, * 32
  uint64_t sharedWaves = 0, idealSharedWaves = 0;        ///< of 32 banks of 4 bytes
  uint64_t tensorFlops = 0, floatFlops = 0;              ///< by mma; by scalar float instructions
  uint64_t divergentBranches = 0, barriers = 0;
};

/// The counters with their names in JSON and CSV.
struct KernelCounterField {
  const char *name;
  uint64_t KernelCounters::*value;
};
inline constexpr KernelCounterField kernelCounterFields[] = {
    {"launches", &KernelCounters::launches},
    {"blocks", &KernelCounters::blocks},
    {"warp_instructions", &KernelCounters::warpInstructions},
    {"thread_instructions", &KernelCounters::threadInstructions},
    {"global_requests", &KernelCounters::globalRequests},
    {"global_sectors", &KernelCounters::globalSectors},
    {"ideal_global_sectors", &KernelCounters::idealGlobalSectors},
    {"unique_read_bytes", &KernelCounters::uniqueReadBytes},
    {"unique_written_bytes", &KernelCounters::uniqueWrittenBytes},
    {"shared_waves", &KernelCounters::sharedWaves},
    {"ideal_shared_waves", &KernelCounters::idealSharedWaves},
    {"tensor_flops", &KernelCounters::tensorFlops},
    {"float_flops", &KernelCounters::floatFlops},
    {"divergent_branches", &KernelCounters::divergentBranches},
    {"barriers", &KernelCounters::barriers},
};

/// Symbol danausKernelCounters of a driver's library that counts: fills up to `capacity` entries,
/// answers how many kernels there are.
using KernelCountersFunction = uint64_t (*)(KernelCounters *to, uint64_t capacity);

} // namespace danaus
