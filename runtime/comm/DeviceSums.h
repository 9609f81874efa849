// What ranks do together on the device: what a communicator uses in place of its own where the
// device has such a thing.
#pragma once

#include "runtime/comm/Communicator.h"

namespace danaus {

/// What a collective is called in traces.
inline std::string collectiveName(Collective kind, uint64_t bytes) {
  const char *name = kind == Collective::AllReduce       ? "all-reduce"
                     : kind == Collective::ReduceScatter ? "reduce-scatter"
                                                         : "all-gather";
  return format("%s %.3g MiB", name, double(bytes) / (1 << 20));
}

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
