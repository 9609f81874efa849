// A GPU's primary context and the stream that a device works on. Private to this room.
#pragma once

#include "runtime/device/cuda/Driver.h"

#include <cstdint>

namespace danaus::cuda {

class Context {
public:
  /// Of GPU `ordinal`; DeviceUnavailable when there is none.
  static Expected<std::shared_ptr<Context>> create(std::shared_ptr<Driver> driver, int ordinal);
  ~Context();
  Context(const Context &) = delete;

  const Driver &driver() const { return *library; }
  CUstream stream() const { return work; }
  int attribute(DeviceAttribute which) const;
  unsigned sm() const {
    return unsigned(10 * attribute(ComputeCapabilityMajor) + attribute(ComputeCapabilityMinor));
  }
  std::string name() const;
  uint64_t memoryBytes() const;
  /// Waits for all work. An error of a kernel shows here, and stays.
  Status synchronize() const;
  Status check(int result, const std::string &what) const { return library->check(result, what); }

private:
  Context(std::shared_ptr<Driver> driver, int device)
      : library(std::move(driver)), device(device) {}

  std::shared_ptr<Driver> library;
  int device;
  CUcontext context = nullptr;
  CUstream work = nullptr;
};

} // namespace danaus::cuda
