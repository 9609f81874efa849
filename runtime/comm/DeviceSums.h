// What ranks do together on the device: what a communicator uses in place of its own where the
// device has such a thing.
#pragma once

#include "runtime/comm/Communicator.h"

namespace danaus {

class DeviceSums {
public:
  virtual ~DeviceSums() = default;
  /// As Communicator::begin and finish.
  virtual Expected<uint64_t> begin(Collective kind, Arena &arena, uint64_t offset,
                                   uint64_t elements) = 0;
  virtual Status finish(uint64_t number) = 0;
  /// Lets go of what waits for other ranks; from any thread.
  virtual void abort() = 0;
};

} // namespace danaus
