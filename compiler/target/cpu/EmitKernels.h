// The kernels of a planned module as functions for the CPU, each in a module of its own.
#pragma once

#include "compiler/target/cpu/Isa.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace danaus::cpu {

/// Emits a module per kernel of `module` (at stage plan), in order, into a module that holds them
/// all. It has one function (operands..., results..., call, scratch). Sets the kernels' plan.tiles
/// and plan.scratch in `module`.
mlir::OwningOpRef<mlir::ModuleOp> emitKernels(mlir::ModuleOp module, const Isa &isa);
/// The same for some of its kernels.
mlir::OwningOpRef<mlir::ModuleOp> emitKernels(llvm::ArrayRef<mlir::func::FuncOp> kernels,
                                              mlir::Location loc, const Isa &isa);

/// The kernels of a module at stage plan, in order.
llvm::SmallVector<mlir::func::FuncOp> kernelsOf(mlir::ModuleOp module);

} // namespace danaus::cpu
