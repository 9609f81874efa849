// The types of CUPTI that we use, without its header: the parts of activity records that are the
// same from CUDA 11 to 13. test/runtime/device compares them with the header where there is one.
#pragma once

#include "runtime/device/cuda/DriverTypes.h"

#include <cstdint>

namespace danaus::cuda {

/// The beginning of CUpti_ActivityKernel9 and 10.
struct alignas(8) ActivityKernel {
  int32_t kind;
  uint8_t cacheConfig, sharedMemoryConfig;
  uint16_t registersPerThread;
  int32_t partitionedCacheRequested, partitionedCacheExecuted;
  uint64_t start, end, completed; ///< nanoseconds of CUPTI's clock
  uint32_t deviceId, contextId, streamId;
  int32_t gridX, gridY, gridZ, blockX, blockY, blockZ;
  int32_t staticSharedMemory, dynamicSharedMemory;
  uint32_t localMemoryPerThread, localMemoryTotal, correlationId;
  int64_t gridId;
  const char *name; ///< of the kernel's symbol
};

/// The beginning of CUpti_ActivityMemcpy5 and 6.
struct alignas(8) ActivityMemcpy {
  int32_t kind;
  uint8_t copyKind, sourceKind, targetKind, flags;
  uint64_t bytes, start, end;
  uint32_t deviceId, contextId, streamId, correlationId, runtimeCorrelationId;
};

enum ActivityKind : int32_t { ActivityOfMemcpy = 1, ActivityOfKernel = 10 };
enum CopyKind : uint8_t { CopyToDevice = 1, CopyToHost = 2, CopyOnDevice = 8 };
enum CuptiResult : int {
  CuptiSuccess = 0,
  CuptiInvalidParameter = 1,
  CuptiMaxLimitReached = 12, ///< a buffer has no more records
  CuptiInsufficientPrivileges = 35,
  CuptiVirtualInsufficientPrivileges = 40,
};

using CuptiBufferRequested = void (*)(uint8_t **buffer, size_t *bytes, size_t *mostRecords);
using CuptiBufferCompleted = void (*)(CUcontext context, uint32_t stream, uint8_t *buffer,
                                      size_t bytes, size_t validBytes);

} // namespace danaus::cuda
