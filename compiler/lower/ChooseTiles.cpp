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
constexpr int64_t mostRows = 64;

/// The same for a matrix unit, which is so fast that the weights' way into the cache counts.
constexpr int64_t mostMatrixRows = 192;

/// Sums of a block of a gradient that is computed on a matrix unit.
constexpr int64_t splitSums = 384 * 384;

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

/// Of a contraction by columns: slabs of two vectors, of which few threads have equal numbers, and
/// each the weights that it packs.
constexpr RegisterTile columnTile{12, 2};

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

/// Rows per call on a matrix unit: a multiple of its blocks, and such that few threads end at the
/// same time. Reading the weights costs as much as a few rows.
int64_t matrixRowsPerCall(int64_t rows) {
  constexpr int64_t block = 2 * MatrixTile;
  constexpr double rowsOfWeights = 12;
  int64_t best = block;
  double least = 0;
  for (int64_t each = block; each <= mostMatrixRows; each += block) {
    int64_t calls = llvm::divideCeil(rows, each);
    double cost = 0;
    for (int64_t threads : {1, 2, 4})
      cost += double(llvm::divideCeil(calls, threads) * threads) * (double(each) + rowsOfWeights);
    if (each == block || cost < least)
      best = each, least = cost;
  }
  return best;
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

/// Whether a contraction sums over so many rows of both operands that calls shall pack them, one
/// stretch after the other: gradients of weights. Rows of the operands must be contiguous.
bool isLongSum(kernel::ContractOp op, unsigned width) {
  constexpr int64_t longSum = 512, longSide = 32;
  // With sides as wide as that, copies of whole operands cost less than packing them block by
  // block, as long as the second-level cache holds a panel of all of K.
  constexpr int64_t wideSide = 512, mostOfK = 2048;
  auto sizes = op.getSizes();
  if (std::min(sizes[op.getM()], sizes[op.getN()]) >= wideSide && sizes[op.getK()] <= mostOfK &&
      op.getGroup() == 1)
    return false;
  if (isa<kernel::ChainOp>(op->getParentOp()) || sizes[op.getK()] < longSum ||
      std::min(sizes[op.getM()], sizes[op.getN()]) < longSide)
    return false;
  auto accessOf = [&](unsigned map, Value operand) {
    return Access::of(op.getMap(map), cast<RankedTensorType>(operand.getType()).getShape(), sizes);
  };
  auto lhs = accessOf(kernel::ContractOp::LhsMap, op.getLhs());
  auto rhs = accessOf(kernel::ContractOp::RhsMap, op.getRhs());
  int64_t group = op.getGroup();
  auto strided = [&](const Access &access) {
    return access.along(op.getK()) == Access::Motion::Strided;
  };
  if (!lhs || !rhs || !strided(*lhs) || !strided(*rhs) || !lhs->guards.empty() ||
      rhs->along(op.getN()) != Access::Motion::Unit || width % group != 0)
    return false;
  for (const AccessTerm &term : lhs->offset.terms) {
    if (term.dim == op.getM() && (term.kind != AccessTerm::Plain || term.coefficient != group))
      return false;
    if (term.dim == op.getN() && (term.kind != AccessTerm::Mod || term.coefficient != 1))
      return false;
  }
  return lhs->offset.uses(op.getM()) && (group == 1 || lhs->offset.uses(op.getN()));
}

/// How far a stretch of K goes: such that all are equal, where there is a number like that. A
/// register tile's columns of it, and a cache line for each of its rows, stay in the first-level
/// cache.
int64_t depthOf(int64_t k) {
  constexpr int64_t best = 48, least = 32, most = 64;
  int64_t found = 0;
  for (int64_t depth = least; depth <= most; depth += 4)
    if (k % depth == 0 && std::abs(depth - best) < std::abs(found - best))
      found = depth;
  return found ? found : best;
}

struct ChooseTiles : danaus::impl::KernelChooseTilesBase<ChooseTiles> {
  using KernelChooseTilesBase::KernelChooseTilesBase;

  /// Queries and keys of a tile: scores, and the keys turned, stay in the second-level cache. Tiles
  /// are of equal size, so that no short one is left. On the matrix unit more queries share what is
  /// staged of the keys, and a step of K is 32 keys.
  template <typename Op> void chooseAttentionTile(Op op) {
    op.setMatrixUnit(matrixUnit && op.getProducts() && op.getProducts()->isBF16());
    int64_t mostQueries = op.getMatrixUnit() ? 256 : 112, mostKeys = 256, tokens = op.getTokens();
    auto equalTiles = [&](int64_t most, int64_t unit) -> int64_t {
      return llvm::alignTo(llvm::divideCeil(tokens, llvm::divideCeil(tokens, most)), unit);
    };
    int64_t queries = equalTiles(mostQueries, op.getMatrixUnit() ? 2 * MatrixTile : 8);
    int64_t keys = equalTiles(mostKeys, op.getMatrixUnit() ? MatrixDepth : vectorWidth);
    op.setTile(ArrayRef<int64_t>{std::min(tokens, queries), keys});
  }

  /// Two by two tiles of sums: each operand's tile is loaded for two products.
  void chooseMatrixTile(Builder &builder, kernel::ContractOp op, MatrixLhs lhs) {
    if (lhs == MatrixLhs::Columns) {
      op.setMatrixUnit(true);
      return chooseBlock(builder, op, {2 * MatrixTile, 2 * op.getGroup()}, splitSums);
    }
    op.setTileAttr(builder.getDenseI64ArrayAttr(
        {2 * MatrixTile, 2, matrixRowsPerCall(op.getSizes()[op.getM()])}));
    op.setMatrixUnit(true);
  }

  /// The block whose operands are read least often, among those whose sums and stretches stay in
  /// the second-level cache, and that leave calls for some threads.
  void chooseBlock(Builder &builder, kernel::ContractOp op, RegisterTile tile, int64_t mostSums) {
    auto sizes = op.getSizes();
    int64_t batches = llvm::product_of(sizes.drop_back(3)), group = op.getGroup();
    int64_t slabWidth = tile.vectors * vectorWidth;
    auto part = [](int64_t size, int64_t parts, int64_t unit) -> int64_t {
      return llvm::alignTo(llvm::divideCeil(size, parts), unit);
    };
    int64_t bestRows = 0, bestColumns = 0, bestCalls = 0;
    double least = 0;
    for (int64_t m = 1, rows = 0; rows != tile.rows; ++m) {
      rows = part(sizes[op.getM()], m, tile.rows);
      for (int64_t n = 1, columns = 0; columns != slabWidth; ++n) {
        columns = part(sizes[op.getN()], n, slabWidth);
        int64_t calls = batches * llvm::divideCeil(sizes[op.getM()], rows) *
                        llvm::divideCeil(sizes[op.getN()], columns);
        double traffic = double(rows * group + columns) * double(calls);
        calls = std::min(calls, fewestCalls); // more do not count
        if (rows * columns > mostSums ||
            std::tuple(-calls, traffic) >= std::tuple(-bestCalls, least))
          continue;
        bestRows = rows, bestColumns = columns, bestCalls = calls, least = traffic;
      }
    }
    op.setTileAttr(builder.getDenseI64ArrayAttr(
        {tile.rows, tile.vectors, bestRows, bestColumns / slabWidth, depthOf(sizes[op.getK()])}));
  }

  void runOnOperation() override {
    Builder builder(&getContext());
    int64_t longSums = 0;
    getOperation().walk([&](kernel::ContractOp op) {
      bool inColumns = matrixUnit && termCountOf(op) == 1 && matrixLhsOf(op) == MatrixLhs::Columns;
      longSums += inColumns || isLongSum(op, vectorWidth);
    });
    fewestCalls = longSums < 16 ? 8 : 1;
    getOperation().walk([&](Operation *op) {
      if (auto contract = dyn_cast<kernel::ContractOp>(op)) {
        if (auto lhs = matrixUnit ? matrixLhsOf(contract) : std::nullopt) {
          chooseMatrixTile(builder, contract, *lhs);
          return;
        }
        if (contract.getByColumns() && vectorRegisters >= 32) {
          contract.setTileAttr(builder.getDenseI64ArrayAttr(
              {columnTile.rows, columnTile.vectors, 2 * columnTile.rows}));
          return;
        }
        RegisterTile tile =
            registerTile(contract.getSizes()[contract.getN()], vectorWidth, vectorRegisters);
        int64_t m = contract.getSizes()[contract.getM()];
        if (isLongSum(contract, vectorWidth)) {
          chooseBlock(builder, contract, tile, 192 * 384 * int64_t(vectorWidth) / 16);
          return;
        }
        contract.setTileAttr(
            builder.getDenseI64ArrayAttr({tile.rows, tile.vectors, rowsPerCall(m, mostRows)}));
      } else if (auto row = dyn_cast<kernel::RowOp>(op)) {
        row.setRows(rowsPerCall(row.getRowCount(), mostRows, fewestRowsOf(row.getColumnCount())));
      } else if (auto attention = dyn_cast<kernel::AttentionOp>(op)) {
        chooseAttentionTile(attention);
      } else if (auto attention = dyn_cast<kernel::AttentionBackwardOp>(op)) {
        chooseAttentionTile(attention);
      }
    });
    getOperation().walk([&](kernel::ChainOp chain) {
      bool onMatrixUnit = llvm::any_of(chain.getBody().getOps<kernel::ContractOp>(),
                                       [](kernel::ContractOp op) { return op.getMatrixUnit(); });
      chain.setRows(onMatrixUnit ? matrixRowsPerCall(chain.getRowCount())
                                 : rowsPerCall(chain.getRowCount(), mostRows, fewestRowsOf(chain)));
    });
  }

  /// Of each long sum: where there are many, they run beside each other.
  int64_t fewestCalls = 1;
};

} // namespace
