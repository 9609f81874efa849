// How an operand of a kernel is reached in memory: its affine map and row-major shape, taken apart
// into strides. Everything that asks "is this contiguous?" or "can this run past the end?" asks
// here.
#pragma once

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"

namespace danaus {

/// One term of an index: coefficient * d, or coefficient * (d mod group), or coefficient * (d
/// floordiv group).
struct AccessTerm {
  enum Kind { Plain, Mod, Div } kind = Plain;
  unsigned dim = 0;
  int64_t group = 1;
  int64_t coefficient = 0;

  /// The largest value of the term for a dimension of `size`.
  int64_t reach(int64_t size) const;
};

/// An index expression as a sum of terms and a constant.
struct AccessSum {
  llvm::SmallVector<AccessTerm, 4> terms;
  int64_t constant = 0;

  bool uses(unsigned dim) const;
  /// The coefficient of plain `dim`; 0 where the sum does not use it.
  int64_t plain(unsigned dim) const;
  int64_t maximum(llvm::ArrayRef<int64_t> sizes) const;
  /// Coefficients are not negative: the smallest value is the constant.
  int64_t minimum() const { return constant; }
  void add(const AccessTerm &term);
};

/// One index of the operand that can leave its bounds: valid while 0 <= sum < extent.
struct AccessGuard {
  AccessSum sum;
  int64_t extent = 0;
};

/// An operand's place in memory, in elements, over an iteration space.
struct Access {
  AccessSum offset;
  llvm::SmallVector<AccessGuard, 2> guards;

  /// Takes a map apart; nullopt where it holds something other than sums of terms.
  static std::optional<Access> of(mlir::AffineMap map, llvm::ArrayRef<int64_t> shape,
                                  llvm::ArrayRef<int64_t> sizes);

  /// How the offset moves along a dimension: not at all, by a constant stride, or otherwise.
  enum class Motion { None, Unit, Strided, Irregular };
  Motion along(unsigned dim) const;
};

} // namespace danaus
