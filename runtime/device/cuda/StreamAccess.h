// For libraries that work on a GPU's memory beside us, such as NCCL: the stream of a device and the
// addresses of its arenas.
#pragma once

#include "runtime/device/Device.h"
#include "runtime/device/cuda/Context.h"

namespace danaus::cuda {

/// The context of a device of this folder; null of any other device.
std::shared_ptr<Context> contextOf(Device &device);

/// Where an arena of such a device begins.
CUdeviceptr addressOf(Arena &arena);

/// GPUs that this process sees; 0 where there is no driver. `isVirtual`: the virtual ones.
unsigned deviceCount(bool isVirtual);

} // namespace danaus::cuda
