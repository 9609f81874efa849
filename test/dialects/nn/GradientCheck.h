// The gradient check: a function's own rules of differentiation against central differences, both
// through the reference interpreter in double precision.
#pragma once

#include "test/lib/reference/Testing.h"

namespace danaus::test {

/// Appends to the function's module a function @gradient that takes its arguments and one gradient
/// per result, and returns the gradients of the arguments listed in `differentiated`: the same walk
/// as the compiler's, by DifferentiableOpInterface. Fails with a diagnostic at an operation that
/// has no gradient, and at the function where an argument gets none.
llvm::FailureOr<mlir::func::FuncOp> buildGradient(mlir::func::FuncOp function,
                                                  llvm::ArrayRef<unsigned> differentiated);

/// The largest error, relative to max(1, |gradient|), of the gradients of sum(results * seeds) with
/// respect to the arguments in `differentiated`, against central differences on `original`, a
/// function of the same meaning. Fails with a diagnostic where something cannot be interpreted.
llvm::FailureOr<double> gradientError(mlir::func::FuncOp original, mlir::func::FuncOp function,
                                      llvm::ArrayRef<unsigned> differentiated,
                                      llvm::ArrayRef<reference::Tensor> arguments,
                                      llvm::ArrayRef<reference::Tensor> seeds);

} // namespace danaus::test
