// Products inside a kernel on the matrix unit: what attention is made of there. Operands are
// rounded to bfloat16 and staged in the call's scratch as tiles that lie one after another; rows
// and columns that are not there are zeros. Sums go to scratch, 32 x 32 at a time, where vector
// code finds them.
#pragma once

#include "compiler/target/cpu/EmitMatrix.h"
#include "compiler/target/cpu/EmitProduct.h"
#include "compiler/target/cpu/EmitTiles.h"

namespace danaus::cpu {

/// An operand in scratch, tiles of 1 KiB: (tile of 16 rows or columns, step of 32 of K). A tile of
/// a lhs has 16 rows of K, one of a rhs 16 pairs of K by 16 columns.
struct TiledOperand {
  int64_t place;  ///< of the first tile, in float32 elements of scratch
  int64_t depths; ///< steps of K
};

class TileProducts {
public:
  TileProducts(Emitter &e, MatrixMemory memory) : e(e), code{e}, memory(memory) {}

  /// What a tile takes of scratch, in float32 elements.
  static constexpr int64_t tileElements = MatrixTile * MatrixDepth / 2;

  /// Before the first product of a call; `place` in scratch has room for 16 float32 elements.
  void configure(int64_t place) {
    code.configure(BlockRows, memory.floats, e.index(memory.place + place));
  }
  /// After the last product of a call.
  void release() { code.release(); }

  /// Which forms of a matrix are made, each where it is not null.
  struct Forms {
    const TiledOperand *rows = nullptr;   ///< a lhs: K is the columns
    const TiledOperand *turned = nullptr; ///< the rhs of a product with the transpose: K as before
    const TiledOperand *pairs = nullptr;  ///< a rhs: K is the rows
  };
  /// `count` (32 at most) rows of `columns` columns from `row` of `from` on, a multiple of 32. Of
  /// the last tile of rows that there is, and in pairs of all 32 rows, the rest is zeros.
  void stage(const Matrix &from, mlir::Value row, int64_t count, int64_t columns,
             const Forms &forms);

  /// 32 of K of one row of a lhs.
  void storeRow(const TiledOperand &into, mlir::Value row, mlir::Value depth, mlir::Value low,
                mlir::Value high);
  /// 32 rows of a lhs, `count` of which are there, at step `fromDepth` of K become step `intoDepth`
  /// of `tiles` tiles of rows, from tile `tile` on: a transposition.
  void turnBlock(const TiledOperand &from, mlir::Value fromDepth, int64_t count,
                 const TiledOperand &into, mlir::Value tile, int64_t tiles, mlir::Value intoDepth);

  /// A block of sums, `rowTiles` x `columnTiles` (1 or 2) tiles from tiles `rowTile` and
  /// `columnTile` on, over `depth` steps of K; to `sums` in scratch, in rows of `stride`.
  void multiply(const TiledOperand &lhs, mlir::Value rowTile, int64_t rowTiles,
                const TiledOperand &rhs, mlir::Value columnTile, int64_t columnTiles,
                mlir::Value depth, mlir::Value sums, int64_t stride);
  /// The same for `tiles` tiles of columns, which lie side by side in `sums`.
  void multiplyColumns(const TiledOperand &lhs, mlir::Value rowTile, int64_t rowTiles,
                       const TiledOperand &rhs, int64_t tiles, mlir::Value depth, mlir::Value sums,
                       int64_t stride);

private:
  mlir::Value loadRow(const Matrix &from, mlir::Value row, mlir::Value depth, int64_t columns);
  void stageStep(const Matrix &from, mlir::Value row, int64_t count, mlir::Value depth,
                 int64_t columns, const Forms &forms);
  void storeTurned(llvm::ArrayRef<mlir::Value> rows, const TiledOperand &into, mlir::Value tile,
                   mlir::Value depth);
  void storePairs(llvm::ArrayRef<mlir::Value> rows, const TiledOperand &into, mlir::Value depth,
                  int64_t firstPair, mlir::Value columnDepth, int64_t columnTiles);
  mlir::Value rounded(mlir::Value low, mlir::Value high);
  mlir::Value interleaved(mlir::Value a, mlir::Value c, int64_t half);
  mlir::Value tileAt(const TiledOperand &operand, mlir::Value tile, mlir::Value depth);
  mlir::VectorType halves();
  mlir::Value zeros();
  void storeHalves(mlir::Value value, mlir::Value place, int64_t row);

  Emitter &e;
  TileCode code;
  MatrixMemory memory;
};

} // namespace danaus::cpu
