// The kernel of a contraction: which dimension is vectorised, which is broadcast, which is summed.
// Used by nn-form-kernels.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

namespace danaus {

/// Puts the dimensions in the order (batch..., M, N, K) with N where the result is nearest to
/// contiguous, and turns Monarch's strided batch into a group (kernel.contract's description).
/// Fails with a diagnostic where several dimensions are summed.
mlir::FailureOr<kernel::ContractOp> formContract(mlir::OpBuilder &builder, nn::ContractOp op);

} // namespace danaus
