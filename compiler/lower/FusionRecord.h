// What a kernel was fused from, written down by the passes that fuse at the moment they do: its
// operations by name and the traffic that fusing saved. Attributes on kernel operations, which mean
// nothing for the code (Outline.cpp takes them away) and are read by --emit=fusion alone.
#pragma once

#include "mlir/IR/Operation.h"

namespace danaus {

/// Bytes that a kernel moves at least: every value that it reads from outside, once, and its
/// results.
int64_t trafficOf(mlir::Operation *kernel);

/// A kernel as it was formed, of one operation called `name`. Attention has saved what its scores
/// would cost in memory.
void recordOperation(mlir::Operation *kernel, llvm::StringRef name);

/// An operation that became part of a kernel and costs `saved` bytes less there.
void recordPart(mlir::Operation *kernel, llvm::StringRef name, int64_t saved);

/// `parts` became `fused`: its operations are theirs, in this order; it has saved what they have,
/// and the traffic that they have and it has not. The parts still have their operands.
void recordFusion(llvm::ArrayRef<mlir::Operation *> parts, mlir::Operation *fused);

/// The names of the operations of a kernel.
llvm::SmallVector<llvm::StringRef> recordedOperations(mlir::Operation *kernel);
/// Bytes that fusing saved.
int64_t recordedSaving(mlir::Operation *kernel);

/// Why a kernel did not join the chain whose rows it reads, where the numbers of that moment
/// decided.
void recordRefusal(mlir::Operation *kernel, llvm::StringRef reason);
/// Empty: nothing was recorded.
llvm::StringRef recordedRefusal(mlir::Operation *kernel);

/// A kernel's number in its step, which its launch in the plan has too.
void setNumber(mlir::Operation *kernel, int64_t number);
std::optional<int64_t> numberOf(mlir::Operation *kernelOrLaunch);

/// Takes everything of the above away, also inside of `op`.
void eraseRecords(mlir::Operation *op);

} // namespace danaus
