// Sums over ranks that stay on the device: what a communicator uses in place of its own where the
// device has such a thing.
#pragma once

#include "runtime/device/Device.h"

namespace danaus {

class DeviceSums {
public:
  virtual ~DeviceSums() = default;
  /// As Communicator::beginSum and finishSums.
  virtual Expected<uint64_t> begin(Arena &arena, uint64_t offset, uint64_t elements) = 0;
  virtual Status finish(uint64_t number) = 0;
  /// Lets go of what waits for other ranks; from any thread.
  virtual void abort() = 0;
};

} // namespace danaus
