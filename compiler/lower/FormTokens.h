// Kernels of the operations on tokens: normalisation, sums, attention, dropout. Used by
// nn-form-kernels; every function builds at the builder's place and returns the values that replace
// the operation's results.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

namespace danaus {

/// The values in place of `op`'s results; failure where `op` is none of these operations.
mlir::FailureOr<llvm::SmallVector<mlir::Value>> formTokens(mlir::OpBuilder &builder,
                                                           mlir::Operation *op);

/// The same elements under another shape: the value itself, what it was reshaped from, or a new
/// nn.reshape.
mlir::Value reshapedTo(mlir::OpBuilder &builder, mlir::Value value, llvm::ArrayRef<int64_t> shape);

} // namespace danaus
