// kernel-choose-tiles: register tiles and rows per call, from the machine's vector width and
// registers. A register tile of MR rows by NV vectors keeps MR*NV sums, NV vectors of the rhs and
// one broadcast in registers.
#include "compiler/Passes.h"
#include "compiler/lower/Access.h"
#include "compiler/lower/MatrixUnit.h"
#include "dialects/kernel/Kernel.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELCHOOSETILES
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// Rows per call at most: what a call makes of them stays in the second-level cache.
constexpr int64_t mostRows = 96;

/// The same for a matrix unit, which is so fast that the weights' way into the cache counts.
constexpr int64_t mostMatrixRows = 128;

struct RegisterTile {
  int64_t rows, vectors;
};

/// Register tiles worth trying, for 32 and for 16 vector registers; the first of equals wins. With
/// fewer rows than 4 a broadcast feeds too few products; with one vector, rows hide the latency.
ArrayRef<RegisterTile> candidates(unsigned registers) {
  static constexpr RegisterTile many[] = {{8, 3}, {4, 4}, {8, 2}, {16, 1}};
  static constexpr RegisterTile few[] = {{4, 2}, {4, 3}, {8, 1}};
  return registers >= 32 ? ArrayRef(many) : ArrayRef(few);
}

/// The tile that wastes the fewest vector lanes on N columns.
RegisterTile registerTile(int64_t n, unsigned width, unsigned registers) {
  int64_t vectors = llvm::divideCeil(n, width);
  RegisterTile best{0, 0};
  double bestCost = 0;
  for (RegisterTile tile : candidates(registers)) {
    if (tile.vectors > vectors)
      continue;
    int64_t full = vectors / tile.vectors, rest = vectors % tile.vectors;
    // A slab of v vectors takes rows*v products and about v + rows loads per step; a narrow rest
    // still pays the loads.
    auto slab = [&](int64_t v) { return double(tile.rows * v) + 0.25 * double(tile.rows + v); };
    double cost = (full * slab(tile.vectors) + (rest ? slab(rest) : 0)) / tile.rows;
    if (best.rows == 0 || cost < bestCost - 1e-9) {
      best = tile;
      bestCost = cost;
    }
  }
  return best;
}

/// Rows per call: enough calls for many cores, enough rows to reuse the weights that are read for
/// each; a multiple of 4 calls where the rows allow it, so that few cores end at the same time.
int64_t rowsPerCall(int64_t rows, int64_t atMost, int64_t fewestRows = 16) {
  constexpr int64_t fewestCalls = 8;
  int64_t group = std::min<int64_t>(fewestRows, 8);
  int64_t calls = std::max(fewestCalls, int64_t(llvm::divideCeil(rows, atMost)));
  calls = llvm::alignTo(calls, 4);
  return std::clamp<int64_t>(llvm::alignTo(llvm::divideCeil(rows, calls), group), fewestRows,
                             atMost);
}

/// Rows of element-wise code that are worth a call of their own: few where they are long.
int64_t fewestRowsOf(int64_t columns) {
  constexpr int64_t worthwhile = 16 * 1024;
  return std::clamp<int64_t>(worthwhile / columns, 1, 16);
}

/// The same for a chain: its longest row, unless it has contractions, which want register tiles.
int64_t fewestRowsOf(kernel::ChainOp chain) {
  int64_t columns = 1;
  for (Operation &op : chain.getBody().front().without_terminator()) {
    auto row = dyn_cast<kernel::RowOp>(op);
    columns = std::max(columns, row ? row.getColumnCount() : 1);
    if (!row)
      return fewestRowsOf(1);
  }
  return fewestRowsOf(columns);
}

struct ChooseTiles : danaus::impl::KernelChooseTilesBase<ChooseTiles> {
  using KernelChooseTilesBase::KernelChooseTilesBase;

  /// Queries and keys of a tile: scores, and the keys turned, stay in the second-level cache. Tiles
  /// are of equal size, so that no short one is left.
  template <typename Op> DenseI64ArrayAttr attentionTile(Op op) {
    constexpr int64_t mostQueries = 112, mostKeys = 256;
    int64_t tokens = op.getTokens();
    auto equalTiles = [&](int64_t most, int64_t unit) -> int64_t {
      return llvm::alignTo(llvm::divideCeil(tokens, llvm::divideCeil(tokens, most)), unit);
    };
    return DenseI64ArrayAttr::get(op.getContext(), {std::min(tokens, equalTiles(mostQueries, 8)),
                                                    equalTiles(mostKeys, vectorWidth)});
  }

  /// Two by two tiles of sums: each operand's tile is loaded for two products.
  void chooseMatrixTile(Builder &builder, kernel::ContractOp op) {
    int64_t rows = rowsPerCall(op.getSizes()[op.getM()], mostMatrixRows);
    op.setTileAttr(builder.getDenseI64ArrayAttr(
        {2 * MatrixTile, 2, int64_t(llvm::alignTo(rows, 2 * MatrixTile))}));
    op.setMatrixUnit(true);
  }

  void runOnOperation() override {
    Builder builder(&getContext());
    getOperation().walk([&](Operation *op) {
      if (auto contract = dyn_cast<kernel::ContractOp>(op)) {
        if (matrixUnit && matrixLhsOf(contract)) {
          chooseMatrixTile(builder, contract);
          return;
        }
        RegisterTile tile =
            registerTile(contract.getSizes()[contract.getN()], vectorWidth, vectorRegisters);
        int64_t m = contract.getSizes()[contract.getM()];
        contract.setTileAttr(
            builder.getDenseI64ArrayAttr({tile.rows, tile.vectors, rowsPerCall(m, mostRows)}));
      } else if (auto row = dyn_cast<kernel::RowOp>(op)) {
        row.setRows(rowsPerCall(row.getRowCount(), mostRows, fewestRowsOf(row.getColumnCount())));
      } else if (auto attention = dyn_cast<kernel::AttentionOp>(op)) {
        attention.setTileAttr(attentionTile(attention));
      } else if (auto attention = dyn_cast<kernel::AttentionBackwardOp>(op)) {
        attention.setTileAttr(attentionTile(attention));
      }
    });
    getOperation().walk([&](kernel::ChainOp chain) {
      bool onMatrixUnit = llvm::any_of(chain.getBody().getOps<kernel::ContractOp>(),
                                       [](kernel::ContractOp op) { return op.getMatrixUnit(); });
      int64_t rows = rowsPerCall(chain.getRowCount(), onMatrixUnit ? mostMatrixRows : mostRows,
                                 fewestRowsOf(chain));
      chain.setRows(onMatrixUnit ? llvm::alignTo(rows, 2 * MatrixTile) : rows);
    });
  }
};

} // namespace
