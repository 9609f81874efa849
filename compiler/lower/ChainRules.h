// What may stand in a kernel.chain, and how one is made; shared by the passes that form chains.
#pragma once

#include "compiler/lower/Obstacle.h"
#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/DenseSet.h"

#include <optional>

namespace danaus {

/// Why an operation can stand in no chain; None where it treats rows one by one.
Obstacle obstacleToChains(mlir::Operation &op);

/// The rows that an operation treats one by one, or nullopt.
std::optional<int64_t> rowsOf(mlir::Operation &op);

/// Why `op`, which has rows, cannot stand in a chain over `rows` with `chainValues`: it has other
/// rows, or reads an operand that is in the chain other than row by row.
Obstacle obstacleToJoining(mlir::Operation &op, int64_t rows,
                           const llvm::DenseSet<mlir::Value> &chainValues);

/// What computes in a kernel: a chain's operations in order, or the kernel itself.
llvm::SmallVector<mlir::Operation *> membersOf(mlir::Operation *kernel);

/// Moves operations over the same rows into a new chain at the place of the last. The block is in
/// no order afterwards where others between them read their results: sortTopologically.
kernel::ChainOp outlineChain(llvm::ArrayRef<mlir::Operation *> members);

} // namespace danaus
