// The CPU as a device: always there.
#pragma once

#include "runtime/device/Device.h"

namespace danaus {

DeviceRegistry::Entry cpuDeviceEntry();

} // namespace danaus
