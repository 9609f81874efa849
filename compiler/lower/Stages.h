// What of a step may run at the same time: the stage of every kernel, and what the decision rests
// on.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

namespace danaus {

/// Operations that need no kernel: they name memory, or an order.
bool movesNothing(mlir::Operation *op);

/// The value whose memory `value` is.
mlir::Value rootOf(mlir::Value value);

/// Everything that an operation reads, memory roots; what its operands stand after (nn.after) is
/// read too, so that the operation has a later stage.
llvm::SmallVector<mlir::Value> readsOf(mlir::Operation *op);

/// Multiply-accumulates of a kernel's products.
int64_t macsOf(mlir::Operation *op);

/// Of them, those that a matrix unit does: tiles (kernel.contract's `matrix_unit`) on a CPU, tensor
/// cores on a GPU.
enum class Processor { Cpu, Gpu };
int64_t matrixMacsOf(mlir::Operation *op, Processor processor);

/// How many products of 16 bits a CPU's matrix unit makes for each multiplication of a kernel.
int64_t matrixProductsOf(mlir::Operation *op);

/// Whether an operation belongs to the update, and so reads gradients of all ranks.
bool isOfUpdate(mlir::Operation *op);

using Stages = llvm::MapVector<mlir::Operation *, int64_t>;

/// The stage of every kernel: after all that it reads; an in-place update after all that read the
/// old values; what reads gradients of all ranks after all that makes or reads those of one.
Stages stagesOf(mlir::func::FuncOp step);

} // namespace danaus
