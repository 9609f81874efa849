// What the two emitters of contractions have in common: sizes, operands, the slabs of columns, and
// what becomes of a register tile's sums.
#pragma once

#include "compiler/target/cpu/Emitter.h"

namespace danaus::cpu {

class ContractParts {
public:
  ContractParts(Emitter &e, kernel::ContractOp op, ViewOf viewOf);

  int64_t batchCount() const { return llvm::product_of(sizes.drop_back(3)); }
  int64_t vectorCount() const { return llvm::divideCeil(sizes[n], e.width()); }
  int64_t slabCount() const { return llvm::divideCeil(vectorCount(), vectorsPerSlab); }

protected:
  bool isPartial() const { return sizes[n] % e.width() != 0; }
  bool lastSlabDiffers() const { return isPartial() || vectorCount() % vectorsPerSlab != 0; }
  int64_t vectorsOfLastSlab() const { return vectorCount() - (slabCount() - 1) * vectorsPerSlab; }

  /// Calls `body(slab, vectors, whether the last vector is partial)`; `slab` may be known only at
  /// run time.
  void forAnySlab(mlir::Value slab, llvm::function_ref<void(mlir::Value, int64_t, bool)> body);

  /// The batch indices of a flat batch number, then places for M, N, K.
  llvm::SmallVector<mlir::Value> pointOf(mlir::Value batch);
  /// The place of vector `v` of row `row + r`.
  llvm::SmallVector<mlir::Value> placeIn(llvm::ArrayRef<mlir::Value> point, mlir::Value slab,
                                         mlir::Value row, int64_t r, int64_t v);

  /// `lanes` neighbours as a vector that repeats them.
  mlir::Value repeated(mlir::Value part, int64_t lanes);

  /// The epilogue on a register tile's sums, row by row, and the results stored.
  void finishTile(llvm::ArrayRef<mlir::Value> point, mlir::Value slab, int64_t vectors,
                  bool partial, mlir::Value row, int64_t rows, mlir::ValueRange sums);

  Emitter &e;
  kernel::ContractOp op;
  llvm::ArrayRef<int64_t> sizes;
  unsigned m, n, k;
  int64_t rowsPerTile, vectorsPerSlab;
  Operand lhs, rhs;
  std::vector<Operand> results, extras;
};

/// A contraction whose sums are so long that its operands are packed in the call's scratch, stretch
/// by stretch of K (kernel.contract with five numbers in `tile`). Returns the number of calls.
int64_t emitBlockedContract(Emitter &emitter, kernel::ContractOp op, ViewOf viewOf,
                            mlir::Value call, mlir::Value scratch);
/// Elements of scratch that it uses; 0 for other contractions.
int64_t blockedScratch(kernel::ContractOp op, const Isa &isa);

} // namespace danaus::cpu
