// A GPU's primary context and the stream that a device works on. Private to this room.
#pragma once

#include "runtime/device/cuda/Driver.h"
#include "runtime/device/cuda/GpuTrace.h"

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
  GpuTrace &trace() { return *spans; }
  Status beginTrace() { return spans->begin(context, work); }
  Status check(int result, const std::string &what) const { return library->check(result, what); }

private:
  Context(std::shared_ptr<Driver> driver, int device)
      : library(std::move(driver)), device(device),
        spans(std::make_unique<GpuTrace>(*library, device)) {}

  std::shared_ptr<Driver> library;
  int device;
  CUcontext context = nullptr;
  CUstream work = nullptr;
  std::unique_ptr<GpuTrace> spans;
};

} // namespace danaus::cuda
