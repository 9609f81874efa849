// How the threads of a block share the elements of a tile: functions in CUDA C++ that number them
// in the order in which they lie in memory.
#pragma once

#include "compiler/target/cuda/Text.h"

namespace danaus::cuda {

/// A dimension of a tile: what it is called in code, how far it goes, how far apart neighbours
/// along it lie in memory, and how many of them are one unit.
struct TileDim {
  llvm::StringRef name;
  int64_t extent, stride, unit = 1;
  int64_t scale = 1; ///< of the higher digits of a dimension that is given in two parts
};

enum class Order { ByStride, AsGiven };

/// `static void NAME(int t, int i, int &a, int &c, int &d)`: the i-th unit of thread t of a tile,
/// units in the order of memory. Where it can be, what depends on i is a constant distance: an
/// address is then computed once for all i.
void printPlace(Lines &lines, llvm::StringRef name, llvm::SmallVector<TileDim, 4> dims,
                Order order = Order::ByStride);

/// What an index sum is at `index` along `dim`, the other dimensions being 0, beyond its constant.
int64_t valueAt(const AccessSum &sum, unsigned dim, int64_t index);

} // namespace danaus::cuda
