// The reference interpreter: what an nn function means, in double precision, slow and obvious. It
// is the oracle of every kernel test and of every pass that claims to keep the meaning of a
// program. It knows the nn dialect only; nothing outside of test/ may use it.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/LogicalResult.h"

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace danaus::reference {

/// A dense row-major tensor. Integer tensors (labels) hold their values as doubles.
struct Tensor {
  llvm::SmallVector<int64_t> shape;
  std::vector<double> data;

  Tensor() = default;
  /// Zeros of this shape.
  explicit Tensor(llvm::ArrayRef<int64_t> shape);
  /// The same, for g++: to it, `Tensor({2, 3})` could also be a copy.
  explicit Tensor(std::initializer_list<int64_t> shape) : Tensor(llvm::ArrayRef<int64_t>(shape)) {}
  Tensor(llvm::ArrayRef<int64_t> shape, std::vector<double> values);

  int64_t size() const { return data.size(); }
};

/// Calls `visit` with every index of `shape`, the last dimension fastest.
void forEachIndex(llvm::ArrayRef<int64_t> shape,
                  llvm::function_ref<void(llvm::ArrayRef<int64_t>)> visit);

/// The place of an index in the row-major data of `shape`.
int64_t offsetOf(llvm::ArrayRef<int64_t> index, llvm::ArrayRef<int64_t> shape);

/// The results of `function` on these arguments, one tensor per argument. Fails with a diagnostic
/// at the function or operation where an argument's shape is wrong, the function has no body, more
/// than one block, or an operation is not of the nn dialect.
llvm::FailureOr<llvm::SmallVector<Tensor>> interpret(mlir::func::FuncOp function,
                                                     llvm::ArrayRef<Tensor> arguments);

} // namespace danaus::reference
