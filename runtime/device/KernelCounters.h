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

/// Symbol danausKernelCounters of a driver's library that counts: fills up to `capacity` entries,
/// answers how many kernels there are.
using KernelCountersFunction = uint64_t (*)(KernelCounters *to, uint64_t capacity);

} // namespace danaus
