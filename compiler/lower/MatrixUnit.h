// What a matrix unit (AMX: 16 x 16 sums, 32 of K at a time, bfloat16) asks of a contraction: which
// contractions it can take, and how their operands are packed for it. Used by kernel-choose-tiles,
// kernel-pack-operands and the CPU's emitters.
#pragma once

#include "compiler/lower/Access.h"
#include "dialects/kernel/Kernel.h"

namespace danaus {

/// Columns (or rows) of a tile, and how much of K one instruction takes.
constexpr int64_t MatrixTile = 16, MatrixDepth = 32;

/// How the lhs lies in memory: K contiguous; K in steps of the group (Monarch's second factor);
/// otherwise, and then it is packed.
enum class MatrixLhs { Contiguous, Grouped, Packed };

/// How a matrix unit would read the lhs; nullopt where it cannot compute this contraction: operands
/// that are not bfloat16, that end inside the sums (ragged blocks), or that lie too irregularly.
std::optional<MatrixLhs> matrixLhsOf(kernel::ContractOp op);

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
