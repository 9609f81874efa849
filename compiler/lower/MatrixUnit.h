// What a matrix unit (AMX: 16 x 16 sums, 32 of K at a time, bfloat16) asks of a contraction: which
// contractions it can take, and how their operands are packed for it. Used by kernel-choose-tiles,
// kernel-pack-operands and the CPU's emitters.
#pragma once

#include "compiler/lower/Access.h"
#include "dialects/kernel/Kernel.h"

namespace danaus {

/// Columns (or rows) of a tile, and how much of K one instruction takes.
constexpr int64_t MatrixTile = 16, MatrixDepth = 32;

/// With fewer samples packing operands, or fused multiply-adds, cost less than what each call of a
/// gradient of a weight does to put its own in order (measured: mnist_mlp).
constexpr int64_t FewestSamples = 256;

/// Into how many bfloat16 numbers a float32 is split, exactly: 24 bits in three times 8.
constexpr int64_t SplitTerms = 3;

/// How many of the nine products of the terms of two numbers are added up.
constexpr int64_t SplitProducts = 6;

/// How the lhs lies in memory: K contiguous; K in steps of the group (Monarch's second factor); the
/// operands in rows of K, both put in order by the call (gradients of weights); otherwise, and then
/// it is packed.
enum class MatrixLhs { Contiguous, Grouped, Columns, Packed };

/// How a matrix unit would read the lhs; nullopt where it cannot compute this contraction: operands
/// that are neither both bfloat16 nor both float32, that end inside the sums (ragged blocks), or
/// that lie too irregularly; or where float32's six products would not pay.
std::optional<MatrixLhs> matrixLhsOf(kernel::ContractOp op);

/// Whether the results of each member of the group lie together: (n mod G) G' + n floordiv G, as
/// the gradient of Monarch's second factor does.
bool resultsLieByMember(kernel::ContractOp op);

/// Whether a contraction with `matrix_unit` splits float32 operands.
bool isSplit(kernel::ContractOp op);

/// Into how many terms a contraction with `matrix_unit` takes its numbers apart: 1 for bfloat16.
int64_t termCountOf(kernel::ContractOp op);

/// Whether the calls of a contraction with `matrix_unit` write operands to scratch, one stretch of
/// K after the other: split ones, and gradients of weights of bfloat16.
bool stagesOperands(kernel::ContractOp op);

/// Packs the operands of a contraction with `matrix_unit`. `rhsPlace` and `lhsPlace`: before which
/// operation.
void packForMatrixUnit(kernel::ContractOp op, mlir::Operation *lhsPlace, mlir::Operation *rhsPlace);

/// Where kernel.pack finds its elements: dimensions (batch..., d, g, lane, k) with
/// c = (16 d + lane) group + g. Either k or lane moves in steps that an emitter can load: k by 1,
/// or lane by a power of two up to 16. nullopt where neither does, or elements lie outside the
/// input.
std::optional<Access> packAccess(mlir::AffineMap map, llvm::ArrayRef<int64_t> shape,
                                 llvm::ArrayRef<int64_t> sizes, int64_t group);

} // namespace danaus
