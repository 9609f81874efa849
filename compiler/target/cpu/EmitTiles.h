// What the emitters of contractions on the matrix unit (AMX) share: the unit's instructions, and
// what becomes of a block's sums.
#pragma once

#include "compiler/lower/MatrixUnit.h"
#include "compiler/target/cpu/Emitter.h"

namespace danaus::cpu {

/// Rows and columns of a block of sums: two by two tiles.
constexpr int64_t BlockRows = 2 * MatrixTile, BlockColumns = 2 * MatrixTile;

/// Numbers of the first tile of the lhs and of the rhs; the sums' are 0 to 3.
constexpr int64_t LhsTiles = 4, RhsTiles = 6;

/// The instructions. Addresses are numbers, strides are bytes from row to row.
struct TileCode {
  /// The store of a tile takes some 1,000 cycles longer where more loads and products of tiles than
  /// this lie between it and the store before it (measured on Sapphire Rapids). Storing any tile,
  /// anywhere, in between costs next to nothing and avoids that.
  static constexpr int64_t mostUnstored = 72;

  Emitter &e;

  /// Tiles for blocks of so many rows. `floats` at `place` has room for 16 elements.
  void configure(int64_t rows, mlir::Value floats, mlir::Value place);
  /// After the last product of a call.
  void release() { intrinsic("llvm.x86.tilerelease", {}); }

  void zero(int64_t tile);
  void load(int64_t tile, mlir::Value address, int64_t stride);
  void store(int64_t tile, mlir::Value address, int64_t stride);
  /// sum += lhs * rhs, 32 of K.
  void multiply(int64_t sum, int64_t lhs, int64_t rhs);

  /// The address of an element.
  mlir::Value addressOf(mlir::Value buffer, mlir::Value offset);

private:
  void intrinsic(llvm::StringRef name, mlir::ValueRange arguments);
  mlir::Value pointerAt(mlir::Value address);
};

/// The slabs of 32 columns (of each member of a group) of a contraction, and its epilogue.
class BlockEpilogue {
public:
  BlockEpilogue(Emitter &e, kernel::ContractOp op, ViewOf viewOf);

  int64_t slabCount() const;
  /// Tiles of columns in all.
  int64_t tileCount() const;
  /// Calls `body` for `count` slabs at most from `first` on; `first` is a multiple of `count`.
  void forSlabs(mlir::Value first, int64_t count,
                llvm::function_ref<void(mlir::Value slab, int64_t tiles, bool isLast)> body);

  /// The results of the row and the batch of `at`. `sumsOf(g, c)`: where in `floats` 16 sums of
  /// member g of the group lie, in tile c of the slab.
  void emitRow(llvm::ArrayRef<mlir::Value> at, mlir::Value slab, int64_t tiles, bool isLast,
               mlir::Value floats, llvm::function_ref<mlir::Value(int64_t g, int64_t c)> sumsOf);

  /// Asks for what the epilogue reads row by row, of a slab's 32 rows from `row` on: the share of
  /// one of so many steps of the products before it.
  void fetchRows(llvm::ArrayRef<mlir::Value> point, mlir::Value row, mlir::Value slab,
                 int64_t tiles, mlir::Value step, int64_t steps);

private:
  /// Vectors of 16-bit results are streamed in pairs, which make a cache line.
  enum class Half { Alone, First, Second };
  void finish(llvm::ArrayRef<mlir::Value> at, mlir::Value sum, std::optional<int64_t> limit,
              Half half);
  bool memberIsStreamed() const;
  void finishMember(llvm::ArrayRef<mlir::Value> at, mlir::Value sum, int64_t lanes);

  Emitter &e;
  kernel::ContractOp op;
  int64_t columns, group;
  bool byMember;
  std::vector<Operand> results, extras;
  llvm::SmallVector<mlir::Value> firstHalves; ///< values of the vector before, for each result
};

/// The batch indices of a flat batch number, then 0 for M, N and K.
llvm::SmallVector<mlir::Value> pointOfBatch(Emitter &e, kernel::ContractOp op, mlir::Value batch);

/// The flat number of the packed rhs's batch at a point; `own` dimensions of its map are its own.
mlir::Value packedBatch(Emitter &e, kernel::ContractOp op, llvm::ArrayRef<mlir::Value> point,
                        unsigned own);

} // namespace danaus::cpu
