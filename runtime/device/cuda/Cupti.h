// CUPTI's activities: what a GPU did and when, by its own clock. Opened by dlopen; of a virtual GPU
// they are in its driver's library.
#pragma once

#include "runtime/base/DynamicLibrary.h"
#include "runtime/device/cuda/CuptiTypes.h"
#include "runtime/device/cuda/Driver.h"

#include <functional>

namespace danaus::cuda {

/// A kernel or a copy that is over.
struct Activity {
  ActivityKind kind = {};
  uint32_t streamId = 0;
  uint64_t begin = 0, end = 0; ///< nanoseconds of the recorder's clock
  std::string kernel;          ///< its symbol
  CopyKind copy = CopyToDevice;
  uint64_t bytes = 0; ///< of a copy
};

/// CUPTI works for a process, not for an object: one at a time.
class Cupti {
public:
  /// DeviceUnavailable says what is missing, or that this user may not, and what to do.
  static Expected<std::unique_ptr<Cupti>> start(const Driver &driver);
  ~Cupti();
  Cupti(const Cupti &) = delete;

  /// "CUPTI 13.0"
  std::string version() const;
  /// The number of a stream in activities; nothing where CUPTI does not say.
  std::optional<uint32_t> idOf(CUcontext context, CUstream stream) const;
  /// Calls `each` with what has ended since the last call; after a synchronize.
  Status take(const std::function<void(const Activity &)> &each);

private:
  Cupti() = default;
  Status load(const Driver &driver);
  Status enable();
  Status align();
  Status check(int result, const char *what) const;

#define CUPTI_FUNCTION(name, symbol, ...) int (*name)(__VA_ARGS__) = nullptr;
#include "runtime/device/cuda/Cupti.inc"
#undef CUPTI_FUNCTION
  std::string path;
  int64_t offset = 0; ///< of the recorder's clock to CUPTI's
};

} // namespace danaus::cuda
