// What the files of the driver's interface share.
#pragma once

#include "runtime/vgpu/driver/Machine.h"

namespace danaus::vgpu {

#define EXPORT extern "C" __attribute__((visibility("default"))) int

using Lock = std::lock_guard<std::recursive_mutex>;

inline Machine &machine() { return Machine::instance(); }

/// For RecordedActivity.
inline Activities::Record kernelRecord(const Stream &stream, const Function &function) {
  return {
      cuda::ActivityOfKernel, stream.gpu->ordinal, stream.lane, 0, 0, function.name.c_str(), {}, 0};
}
inline Activities::Record copyRecord(const Stream &stream, cuda::CopyKind kind, uint64_t bytes) {
  return {cuda::ActivityOfMemcpy, stream.gpu->ordinal, stream.lane, 0, 0, nullptr, kind, bytes};
}

/// The stream of a handle; null is the current GPU's default stream, and null where there is no
/// GPU.
Stream *streamOf(cuda::CUstream handle);

/// Fills a launch from the driver's arguments; the parameters are copied, as the driver does.
int makeNode(LaunchNode &node, cuda::CUfunction function, const unsigned grid[3],
             const unsigned block[3], unsigned sharedBytes, void *const *parameters);

} // namespace danaus::vgpu
