// The null device: host memory, no computation. The template for a new device (copy this folder),
// and what a step costs when kernels cost nothing.
#pragma once

#include "runtime/device/Device.h"

namespace danaus {

DeviceRegistry::Entry nullDeviceEntry();

} // namespace danaus
