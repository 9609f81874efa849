// The kernels of a planned module as functions for the CPU, each in a module of its own.
#pragma once

#include "compiler/target/cpu/Isa.h"

#include "mlir/IR/BuiltinOps.h"

namespace danaus::cpu {

/// Emits a module per kernel of `module` (at stage plan), in order, into a module that holds them
/// all. It has one function (operands..., results..., call, scratch). Sets the kernels' plan.tiles
/// and plan.scratch in `module`.
mlir::OwningOpRef<mlir::ModuleOp> emitKernels(mlir::ModuleOp module, const Isa &isa);

} // namespace danaus::cpu
