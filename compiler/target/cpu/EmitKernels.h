// The kernels of a planned module as one module of functions for the CPU.
#pragma once

#include "compiler/target/cpu/Isa.h"

#include "mlir/IR/BuiltinOps.h"

namespace danaus::cpu {

/// Emits a function per kernel of `module` (at stage plan): (operands..., results..., call,
/// scratch). Sets the kernels' plan.tiles and plan.scratch in `module`.
mlir::OwningOpRef<mlir::ModuleOp> emitKernels(mlir::ModuleOp module, const Isa &isa);

} // namespace danaus::cpu
