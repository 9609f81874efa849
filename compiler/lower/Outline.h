// Kernels as functions: what a launch calls. Equal kernels become one function.
#pragma once

#include "dialects/kernel/Kernel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace danaus {

/// A kernel function and the values (operands, then results) that a launch binds to its places.
struct OutlinedKernel {
  mlir::func::FuncOp function;
  llvm::SmallVector<mlir::Value> operands, results;
};

/// Makes functions of kernel operations; keeps what it has made, so that kernels of equal text are
/// one.
class Outliner {
public:
  explicit Outliner(mlir::ModuleOp module) : module(module) {}

  /// A function with a copy of `op`; its arguments are the values that `op` reads from outside.
  OutlinedKernel outline(mlir::Operation *op);

  /// kernel.update and kernel.square_norm as functions on flat tensors of `elements`: tensors that
  /// lie one behind the other in the arena. Operands and results of the former are the first of
  /// each run, that of number `first`; of the latter `gradient` begins the run, and there are
  /// `parts` sums.
  OutlinedKernel outlineUpdate(kernel::UpdateOp update, size_t first, int64_t elements);
  OutlinedKernel outlineNorm(kernel::SquareNormOp norm, mlir::Value gradient, int64_t elements,
                             int64_t parts);

private:
  mlir::func::FuncOp intern(mlir::func::FuncOp function, llvm::StringRef kind);

  mlir::ModuleOp module;
  llvm::StringMap<mlir::func::FuncOp> known;
  llvm::StringMap<unsigned> counters;
};

} // namespace danaus
