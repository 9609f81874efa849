// CUDA's driver, opened by dlopen: the real one, or the virtual GPU's library, which has the same
// interface. Whoever calls it sees no difference.
#pragma once

#include "runtime/base/DynamicLibrary.h"
#include "runtime/device/cuda/DriverTypes.h"

#include <memory>

namespace danaus::cuda {

enum class DriverKind { Cuda, Virtual };

class Driver {
public:
  /// Opens and initialises it. DeviceUnavailable says what is missing and what to do.
  static Expected<std::shared_ptr<Driver>> open(DriverKind kind);

#define CUDA_FUNCTION(name, symbol, ...) int (*name)(__VA_ARGS__) = nullptr;
#include "runtime/device/cuda/Driver.inc"
#undef CUDA_FUNCTION

  /// DeviceUnavailable, "while <what>: <CUDA's words>", unless `result` is success.
  Status check(int result, const std::string &what) const;

  DriverKind kind() const { return which; }
  const std::string &path() const { return library.path(); }
  void *find(const char *symbol) const { return library.find(symbol); }

private:
  Driver(DriverKind kind, DynamicLibrary library) : which(kind), library(std::move(library)) {}
  DriverKind which;
  DynamicLibrary library;
};

} // namespace danaus::cuda
