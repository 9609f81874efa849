// Reverse-mode differentiation of one block: the gradients of values that depend on a parameter.
// Knows the interface nn::DifferentiableOpInterface and no operation.
#pragma once

#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"

namespace danaus {

/// What the backward pass reads of a repeated block (operations of layers called `blocks.3` or
/// `blocks.3.fc`): the values of the forward pass, or values computed again from the block's inputs
/// once the gradient of its result is there. The latter keeps only the inputs of blocks alive.
enum class BlockValues { Kept, Recomputed };

class Differentiator {
public:
  /// Gradients are built where `builder` stands, which must be behind all operations of `block`.
  Differentiator(mlir::OpBuilder &builder, mlir::Block &block,
                 llvm::ArrayRef<mlir::BlockArgument> parameters,
                 BlockValues blockValues = BlockValues::Kept);

  /// Builds the gradients of everything that `loss` depends on; fails, with a diagnostic, at an
  /// operation that has none.
  llvm::LogicalResult run(mlir::Value loss);

  /// The gradient of a value; null where the loss does not depend on it.
  mlir::Value gradientOf(mlir::Value value) const { return gradients.lookup(value); }

private:
  llvm::LogicalResult differentiate(mlir::Operation *op, mlir::ValueRange results);
  void recompute(llvm::StringRef block, mlir::Value gradient);
  void accumulate(mlir::Value value, mlir::Value gradient, mlir::Location loc);

  mlir::OpBuilder &builder;
  llvm::DenseSet<mlir::Value> active; ///< values that depend on a parameter
  llvm::SmallVector<mlir::Operation *> order;
  llvm::DenseSet<mlir::Value> parameters;
  /// The operations of each repeated block, in order; without those that were recomputed already.
  llvm::StringMap<llvm::SmallVector<mlir::Operation *>> blocks;
  llvm::DenseMap<mlir::Operation *, mlir::Operation *> copies; ///< what is recomputed
  llvm::DenseMap<mlir::Value, mlir::Value> gradients;
};

} // namespace danaus
