// Copies to the GPU that run beside kernels: to a buffer of their own on a stream of their own,
// from where they go to their place in the arena before the next step. Private to this room.
#pragma once

#include "runtime/device/cuda/Context.h"

#include <map>
#include <span>

namespace danaus::cuda {

class InputCopies {
public:
  explicit InputCopies(std::shared_ptr<Context> context) : context(std::move(context)) {}
  ~InputCopies();
  InputCopies(const InputCopies &) = delete;

  /// Begins to copy `from`, which stays as it is until a synchronize; the last one for a place
  /// counts.
  Status begin(CUdeviceptr place, std::span<const std::byte> from);
  /// Lets what is submitted to the context's stream from now on find the copies in their places.
  Status finish();
  /// Waits until all that was begun has left host memory.
  Status synchronize() const;
  /// An arena has gone, with all places in it.
  void forget(CUdeviceptr arena, uint64_t bytes);

private:
  struct Staging {
    CUdeviceptr address = 0;
    size_t capacity = 0, pending = 0; ///< bytes
  };
  Status prepare();

  std::shared_ptr<Context> context;
  CUstream stream = nullptr;
  CUevent copied = nullptr, taken = nullptr; ///< to staging; from there to its place
  bool isTaken = false;                      ///< the event has been recorded
  std::map<CUdeviceptr, Staging> places;
};

} // namespace danaus::cuda
