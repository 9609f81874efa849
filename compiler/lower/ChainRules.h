// What may stand in a kernel.chain, and how one is made; shared by the passes that form chains.
#pragma once

#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/DenseSet.h"

#include <optional>

namespace danaus {

/// The rows that an operation treats one by one, or nullopt.
std::optional<int64_t> rowsOf(mlir::Operation &op);

/// Whether `op`, which has rows, reads each of its operands that is in `chainValues` row by row.
bool readsRowWise(mlir::Operation &op, const llvm::DenseSet<mlir::Value> &chainValues);

/// Moves operations over the same rows into a new chain at the place of the last. The block is in
/// no order afterwards where others between them read their results: sortTopologically.
kernel::ChainOp outlineChain(llvm::ArrayRef<mlir::Operation *> members);

} // namespace danaus
