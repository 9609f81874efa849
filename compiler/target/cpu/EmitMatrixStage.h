// Rows of the lhs in a call's scratch, as the matrix unit needs them: where K ends inside a step,
// or where a group (Monarch's second factor) scatters K.
#pragma once

#include "compiler/target/cpu/EmitMatrix.h"
#include "compiler/target/cpu/EmitTiles.h"

namespace danaus::cpu {

/// A call's scratch, in float32 elements from `place` on: the configuration of the tiles, the sums
/// (group, 32, 32), and 32 rows of the lhs where they have to be staged.
struct MatrixScratch {
  explicit MatrixScratch(kernel::ContractOp op) {
    int64_t group = op.getGroup(), depth = op.getSizes()[op.getK()];
    depths = llvm::divideCeil(depth, MatrixDepth);
    sums = 16;
    staged = sums + group * BlockRows * BlockColumns;
    stagesAll = group > 1;
    stagedDepths = stagesAll ? depths : depth % MatrixDepth != 0 ? 1 : 0;
    size = staged + group * BlockRows * stagedDepths * MatrixDepth / 2;
  }
  int64_t depths, stagedDepths; ///< of all of K, of what is staged, in steps of 32
  bool stagesAll;               ///< or only the short end of K
  int64_t sums, staged, size;
};

/// Writes one block's rows of the lhs to scratch.
struct LhsStage {
  Emitter &e;
  kernel::ContractOp op;
  Operand lhs;
  MatrixMemory memory;
  MatrixScratch layout;

  /// From row to row, in elements.
  int64_t stride() const { return layout.stagedDepths * MatrixDepth; }
  /// Where the rows of member `g` of the group begin.
  mlir::Value place(mlir::Value g);

  /// The short end of K of `rows` rows from `row` on, with zeros behind it. `point` chooses the
  /// batch.
  void padEnd(llvm::ArrayRef<mlir::Value> point, mlir::Value row, int64_t rows);

  /// Rows of (k, g) as rows of k for each g, with zeros behind them.
  void takeGroupsApart(llvm::ArrayRef<mlir::Value> point, mlir::Value row, int64_t rows);

private:
  mlir::Value loadHalves(mlir::Value offset, mlir::Value limit);
  void takeApart(mlir::Value base, mlir::Value r, mlir::Value d, bool isEnd);
};

} // namespace danaus::cpu
