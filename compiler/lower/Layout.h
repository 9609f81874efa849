// Where everything lies in the arena. Parameters, gradients and optimizer state are flat runs with
// equal relative offsets, so that an update is one launch; activations share memory when their
// lives do not overlap.
#pragma once

#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/DenseMap.h"

namespace danaus {

/// Rounds up to the arena's alignment.
constexpr int64_t alignBytes(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Bytes of a tensor.
int64_t bytesOf(mlir::Type type);

/// Hands out the arena from its start.
class Arena {
public:
  int64_t take(int64_t bytes) {
    int64_t offset = end;
    end += alignBytes(bytes);
    return offset;
  }
  int64_t size() const { return end; }

private:
  int64_t end = 0;
};

/// A temporary: bytes needed from stage `first` to stage `last`, both included.
struct Interval {
  int64_t bytes;
  int64_t first, last;
  int64_t offset = 0;
};

/// Places intervals, largest first, at the lowest offset where nothing alive at the same time lies
/// (offsets relative to 0); returns the bytes needed.
int64_t placeIntervals(llvm::MutableArrayRef<Interval> intervals);

} // namespace danaus
