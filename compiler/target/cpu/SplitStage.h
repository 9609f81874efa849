// The operands of a contraction in a call's scratch, split into three terms, as the matrix unit
// reads them: tiles of 1 KiB, those of one step of K (32) side by side.
#pragma once

#include "compiler/target/cpu/EmitMatrix.h"
#include "compiler/target/cpu/EmitTiles.h"

namespace danaus::cpu {

/// Where the parts of a call's scratch begin, in float32 elements: the configuration of the tiles;
/// 32 rows of the lhs (group, row tile, step, term, 16, 32); the columns of a block of the rhs,
/// where the call splits it (column tile, group, step, term, 16, 16, 2); the sums (group, 32, 32),
/// for each 32 rows and slab of a block unless all of K is added up at once.
struct SplitScratch {
  explicit SplitScratch(kernel::ContractOp op);

  /// bfloat16 of a tile, and of the terms of one.
  static constexpr int64_t tile = MatrixTile * MatrixDepth, terms = SplitTerms * tile;

  int64_t group, depths; ///< steps of all of K
  int64_t depthsAtOnce;  ///< so many are added before sums go back to scratch
  int64_t rows, slabs;   ///< of a block: what is computed for one stretch of K after the other
  bool splitsRight;
  int64_t left, right, sums, size;

  bool isWhole() const { return depths == depthsAtOnce; }
};

/// Splits a stretch of K, `count` steps from `depth` on. `point` chooses the batch.
struct SplitStage {
  Emitter &e;
  kernel::ContractOp op;
  Operand lhs, rhs;
  MatrixMemory memory;
  SplitScratch layout;
  MatrixLhs form;

  /// Where (in bfloat16) the tiles of a member of the group begin.
  mlir::Value leftPlace(mlir::Value g, int64_t rowTile);
  mlir::Value rightPlace(mlir::Value columnTile, mlir::Value g);

  /// `rows` rows (32 at most) of the lhs.
  void splitLeft(llvm::ArrayRef<mlir::Value> point, mlir::Value row, int64_t rows,
                 mlir::Value depth, mlir::Value count);
  /// `tiles` tiles of columns of the rhs, which are the block's from `place` on.
  void splitRight(llvm::ArrayRef<mlir::Value> point, mlir::Value slab, int64_t tiles,
                  mlir::Value place, mlir::Value depth, mlir::Value count);

private:
  void splitRow(llvm::ArrayRef<mlir::Value> at, mlir::Value into, mlir::Value d, mlir::Value k);
  void splitColumns(llvm::ArrayRef<mlir::Value> at, int64_t rowTile, mlir::Value d, mlir::Value k,
                    bool isEnd);
  void splitPairs(llvm::ArrayRef<mlir::Value> at, mlir::Value columnTile, mlir::Value d,
                  mlir::Value k, bool isEnd);
  void forDepths(mlir::Value depth, mlir::Value count,
                 llvm::function_ref<void(mlir::Value d, mlir::Value k, bool isEnd)> body);
  llvm::SmallVector<mlir::Value> loadNeighbours(const Operand &operand,
                                                llvm::ArrayRef<mlir::Value> at, mlir::Value limit);
  mlir::Value limitOf(unsigned dim, mlir::Value first, mlir::Value k, bool isEnd);
};

} // namespace danaus::cpu
