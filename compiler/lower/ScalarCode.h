// The scalar code of kernels' regions: what one element of an activation, a loss or an update
// computes.
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/Operation.h"
#include "runtime/plan/Control.h"

namespace danaus {

/// One element of an element-wise nn operation; `args` are its operands' elements.
mlir::Value buildElementwise(mlir::OpBuilder &builder, mlir::Location loc, mlir::Operation *op,
                             mlir::ValueRange args);

/// float32 numbers (a scalar or a vector of them) rounded to the nearest bfloat16, in float32.
mlir::Value buildRound(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                       mlir::Type to);

/// One element of softmax cross-entropy with `classes` columns, from (logit, label, 1/count) and,
/// where rows are mixed, (second label, weight of the first):
/// returns {loss, correct} of the row and the gradient of the logit (nn.cross_entropy_loss,
/// _backward).
llvm::SmallVector<mlir::Value> buildCrossEntropy(mlir::OpBuilder &builder, mlir::Location loc,
                                                 mlir::ValueRange args, int64_t classes,
                                                 double smoothing);

/// One element of nn.accumulate, from (sum, term, control[FirstMicroBatch]).
mlir::Value buildAccumulate(mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange args);

/// One element of an optimizer step (nn.sgd_step, nn.adam_step) and, where given, of the moving
/// average of its parameter (nn.ema_step), which is the last state.
struct UpdateCode {
  UpdateCode(mlir::Operation *step, mlir::Operation *average);

  /// Tensors beside the parameter.
  unsigned stateCount() const;

  /// Which scalars of the control and metrics buffers the code takes, after parameter, gradient,
  /// states.
  llvm::SmallVector<int64_t> controlIndices, metricsIndices;

  /// Returns (new parameter, new states...).
  llvm::SmallVector<mlir::Value> build(mlir::OpBuilder &builder, mlir::Location loc,
                                       mlir::ValueRange args) const;

private:
  mlir::Operation *step, *average;
};

} // namespace danaus
