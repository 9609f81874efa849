// The kernel of a contraction: which dimension is vectorised, which is broadcast, which is summed.
// Used by nn-form-kernels.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

namespace danaus {

/// Puts the dimensions in the order (batch..., M, N, K) with N where the result is nearest to
/// contiguous, and turns Monarch's strided batch into a group (kernel.contract's description).
/// Of a batch that is interleaved in both operands and not in the result (a gradient) at most
/// `mostBf16Group` members become a group in bfloat16; more, and those of few samples, stay a
/// batch, whose members are packed. Fails with a diagnostic where several dimensions are summed.
mlir::FailureOr<kernel::ContractOp> formContract(mlir::OpBuilder &builder, nn::ContractOp op,
                                                 int64_t mostBf16Group);

} // namespace danaus
