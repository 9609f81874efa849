// NVIDIA GPUs, and the virtual GPU behind the same driver interface.
#pragma once

#include "runtime/device/Device.h"

namespace danaus {

/// "cuda", "cuda:1": a GPU of this machine.
DeviceRegistry::Entry cudaDeviceEntry();
/// "vgpu", "vgpu:1": the virtual GPU, which interprets PTX on the CPU and checks it.
DeviceRegistry::Entry virtualDeviceEntry();

} // namespace danaus
