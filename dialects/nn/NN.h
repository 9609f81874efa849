// The nn dialect's C++ face: its operations and interfaces.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/BitVector.h"

#include "dialects/nn/NNDialect.h.inc"
#include "dialects/nn/NNInterfaces.h.inc"

#define GET_OP_CLASSES
#include "dialects/nn/NNOps.h.inc"

namespace danaus::nn {

/// The shape of a tensor value.
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType()).getShape();
}

/// A float32 tensor type of this shape.
mlir::RankedTensorType tensorOf(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> shape);

/// "128x784", for diagnostics.
std::string shapeText(llvm::ArrayRef<int64_t> shape);

/// Argument attribute names of nn functions.
inline constexpr llvm::StringLiteral NameAttr = "nn.name", RoleAttr = "nn.role",
                                     InitAttr = "nn.init", DecayAttr = "nn.decay";

/// What the summary calls the layer that an operation stands for, where the operation does not say:
/// the addition of a class token.
inline constexpr llvm::StringLiteral LayerAttr = "nn.layer";

/// Module attributes that say what a step consists of. MixesAttr (unit): @forward takes second
/// labels and their weights after control. AccumulatesAttr (unit): an update takes several
/// micro-batches. EmaAttr (f64): decay of the moving averages of the parameters. RecomputeAttr
/// (unit): the forward values of repeated blocks are computed again for the backward pass.
/// OperandsAttr (a type): matrix products have operands of bf16 or f16; with f16 gradients are
/// scaled. BucketAttr (i64): most bytes of gradients that are added up over the ranks at once.
/// ShardsAttr (i64): the ranks over which updates and the optimizer's state are sharded.
inline constexpr llvm::StringLiteral MixesAttr = "nn.mixes", AccumulatesAttr = "nn.accumulates",
                                     EmaAttr = "nn.ema", RecomputeAttr = "nn.recompute",
                                     OperandsAttr = "nn.operands", BucketAttr = "nn.bucket",
                                     ShardsAttr = "nn.shards";

/// On an operation (unit): it is the second time that its value is computed. Keeps it apart from
/// the first in the eyes of common-subexpression elimination.
inline constexpr llvm::StringLiteral RecomputedAttr = "nn.recomputed";

/// On a low-rank linear (f64): its rank is not chosen yet, and its factors have the largest it may
/// become. The share of the squares of the singular values that is to be kept; 0: by the stable
/// rank.
inline constexpr llvm::StringLiteral RankByAttr = "nn.rank_by";

} // namespace danaus::nn
