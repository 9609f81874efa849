// From the emitters' dialects to the LLVM dialect: the same passes for every kernel, each kernel by
// itself.
#pragma once

#include "compiler/target/cpu/Isa.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/Timing.h"

namespace danaus::cpu {

/// Lowers every module of `kernels` (emitKernels()) to the LLVM dialect, as many at a time as the
/// context has threads.
mlir::LogicalResult lowerKernels(mlir::ModuleOp kernels, const Isa &isa, mlir::TimingScope &timing);

} // namespace danaus::cpu
