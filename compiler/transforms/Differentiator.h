// Reverse-mode differentiation of one block: the gradients of values that depend on a parameter.
// Knows the interface nn::DifferentiableOpInterface and no operation.
#pragma once

#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace danaus {

class Differentiator {
public:
  /// Gradients are built where `builder` stands, which must be behind all operations of `block`.
  Differentiator(mlir::OpBuilder &builder, mlir::Block &block,
                 llvm::ArrayRef<mlir::BlockArgument> parameters);

  /// Builds the gradients of everything that `loss` depends on; fails, with a diagnostic, at an
  /// operation that has none.
  llvm::LogicalResult run(mlir::Value loss);

  /// The gradient of a value; null where the loss does not depend on it.
  mlir::Value gradientOf(mlir::Value value) const { return gradients.lookup(value); }

private:
  llvm::LogicalResult differentiate(mlir::Operation *op, mlir::ValueRange results);
  void accumulate(mlir::Value value, mlir::Value gradient, mlir::Location loc);

  mlir::OpBuilder &builder;
  llvm::DenseSet<mlir::Value> active; ///< values that depend on a parameter
  llvm::SmallVector<mlir::Operation *> order;
  llvm::DenseMap<mlir::Value, mlir::Value> gradients;
};

} // namespace danaus
