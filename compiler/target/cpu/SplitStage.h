// The operands of a contraction in a call's scratch as the matrix unit reads them: tiles of 1 KiB,
// three side by side (the terms of float32) or one (bfloat16) for each step of K (32).
#pragma once

#include "compiler/target/cpu/EmitMatrix.h"
#include "compiler/target/cpu/EmitTiles.h"

namespace danaus::cpu {

/// Where the parts of a call's scratch begin, in float32 elements: the configuration of the tiles;
/// 32 rows of the lhs (group, row tile, step, term, 16, 32), of bfloat16 all of a block's; the
/// columns of a block of the rhs, where the call splits it (column tile, group, step, term, 16, 16,
/// 2); the sums (group, 32, 32), for each 32 rows and slab of a block unless all of K is added up
/// at once.
struct SplitScratch {
  explicit SplitScratch(kernel::ContractOp op);

  /// bfloat16 of a tile, and of its terms.
  static constexpr int64_t tile = MatrixTile * MatrixDepth;
  int64_t step() const { return terms * tile; }

  int64_t group, terms; ///< terms of a number: 3 of float32, 1 of bfloat16
  int64_t depths;       ///< steps of all of K
  int64_t depthsAtOnce; ///< so many are added before sums go back to scratch
  int64_t depthsAhead;  ///< so many are asked for before they are taken
  int64_t rows, slabs;  ///< of a block: what is computed for one stretch of K after the other
  bool splitsRight;
  int64_t left, right, sums, size;

  bool isWhole() const { return depths == depthsAtOnce; }
};

/// Writes a stretch of K to scratch, `count` steps from `depth` on: float32 split into terms,
/// bfloat16 as it is (StageHalves.cpp). `point` chooses the batch.
struct SplitStage {
  Emitter &e;
  kernel::ContractOp op;
  Operand lhs, rhs;
  MatrixMemory memory;
  SplitScratch layout;
  MatrixLhs form;

  /// Where (in bfloat16) the tiles of a member of the group begin; of the 32 rows in scratch, or of
  /// those of `block`.
  mlir::Value leftPlace(mlir::Value g, int64_t rowTile, mlir::Value block = nullptr);
  mlir::Value rightPlace(mlir::Value columnTile, mlir::Value g);

  /// `rows` rows (32 at most) of the lhs.
  void splitLeft(llvm::ArrayRef<mlir::Value> point, mlir::Value row, int64_t rows,
                 mlir::Value depth, mlir::Value count);
  /// `tiles` tiles of columns of the rhs, which are the block's from `place` on.
  void splitRight(llvm::ArrayRef<mlir::Value> point, mlir::Value slab, int64_t tiles,
                  mlir::Value place, mlir::Value depth, mlir::Value count);

  /// bfloat16 of 128 bits: so many neighbours of the lhs are turned at once.
  static constexpr int64_t lane = 8;

  // bfloat16 (StageHalves.cpp), of one step at `point`.
  /// Step `d` of `rows` rows (32 at most) of the lhs, block `block`. `turn` is called with the
  /// number of each turn: there are `group` times 32 / lane in a block.
  void turnLeft(llvm::ArrayRef<mlir::Value> point, int64_t rows, mlir::Value block, mlir::Value d,
                bool isEnd, llvm::function_ref<void(mlir::Value)> turn);
  /// Step `d` of a slab of the rhs; of the last one only those columns that are there.
  void pairRight(llvm::ArrayRef<mlir::Value> point, int64_t tiles, bool isLast, mlir::Value place,
                 mlir::Value d, bool isEnd);
  /// Calls `body` with the number of each step in the stretch and its first K. The last of all may
  /// be short.
  void forDepths(mlir::Value depth, mlir::Value count,
                 llvm::function_ref<void(mlir::Value d, mlir::Value k, bool isEnd)> body);

private:
  void turnNeighbours(mlir::Value from, mlir::Value number, int64_t count, mlir::Value into,
                      bool isEnd);
  void storePair(mlir::Value even, mlir::Value odd, int64_t columns, mlir::Value into);
  void splitRow(llvm::ArrayRef<mlir::Value> at, mlir::Value into, mlir::Value d, mlir::Value k);
  void splitColumns(llvm::ArrayRef<mlir::Value> at, int64_t rowTile, mlir::Value d, mlir::Value k,
                    bool isEnd);
  void splitPairs(llvm::ArrayRef<mlir::Value> at, mlir::Value columnTile, mlir::Value d,
                  mlir::Value k, bool isEnd);
  mlir::Value loadPart(const Operand &operand, llvm::ArrayRef<mlir::Value> at, int64_t part,
                       mlir::Value limit);
  llvm::SmallVector<mlir::Value> loadNeighbours(const Operand &operand,
                                                llvm::ArrayRef<mlir::Value> at, mlir::Value limit);
  mlir::Value limitOf(unsigned dim, mlir::Value first, mlir::Value k, bool isEnd);
};

} // namespace danaus::cpu
