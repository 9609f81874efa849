// kernel.contract on AMX: two by two tiles of 16 x 16 sums (tmm0 to tmm3), fed by two tiles of the
// lhs (tmm4, tmm5: 16 rows of 32 bfloat16) and two of the rhs (tmm6, tmm7: 16 pairs of K by 16
// columns). The sums go to the call's scratch, where the epilogue takes them up as vectors. A
// group's results are interleaved there; its lhs is taken apart, row by row, before.
#include "compiler/target/cpu/EmitMatrixStage.h"
#include "compiler/target/cpu/EmitSplit.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

class MatrixEmitter {
public:
  MatrixEmitter(Emitter &e, kernel::ContractOp op, ViewOf viewOf, MatrixMemory memory)
      : e(e), tiles{e}, op(op), memory(memory), layout(op), stage{e, op, {}, memory, layout},
        epilogue(e, op, viewOf), sizes(op.getSizes()), m(op.getM()), group(op.getGroup()) {
    lhs = operandOf(op.getLhs(), op.getMap(kernel::ContractOp::LhsMap), sizes, m, viewOf);
    stage.lhs = lhs;
    rhs = viewOf(op.getRhs()).memory;
  }

  int64_t batchCount() const { return llvm::product_of(sizes.drop_back(3)); }
  int64_t slabCount() const { return epilogue.slabCount(); }

  /// The slabs of columns from `first` on, `count` at most, of one batch, for a panel of rows.
  void emitSlabs(Value batch, Value first, int64_t count, const Panel &panel) {
    point = pointOfBatch(e, op, batch);
    rhsBatch = packedBatch(e, op, point, 5);
    configure(BlockRows); // changed for short blocks only: it takes as long as two products
    auto blocks = [&](llvm::function_ref<void(Value, int64_t)> body) {
      e.forRows(panel, BlockRows, body);
    };
    if (layout.stagesAll) { // once for all slabs
      blocks([&](Value row, int64_t rows) {
        stage.takeGroupsApart(point, row, rows);
        epilogue.forSlabs(first, count, [&](Value slab, int64_t columnTiles, bool isLast) {
          emitBlock(slab, columnTiles, isLast, row, rows);
        });
      });
      return;
    }
    epilogue.forSlabs(first, count, [&](Value slab, int64_t columnTiles, bool isLast) {
      blocks([&](Value row, int64_t rows) {
        if (layout.stagedDepths)
          stage.padEnd(point, row, rows);
        emitBlock(slab, columnTiles, isLast, row, rows);
      });
    });
  }

  void release() { tiles.release(); }

private:
  Value place(int64_t offset) { return e.index(memory.place + offset); }
  void configure(int64_t rows) { tiles.configure(rows, memory.floats, place(0)); }

  /// A block of 32 x 32 sums, for each member of a group.
  void emitBlock(Value slab, int64_t columnTiles, bool isLast, Value row, int64_t rows) {
    if (rows != BlockRows)
      configure(rows);
    e.loop(group, [&](Value g) { emitProducts(slab, columnTiles, g, row, rows); });
    if (rows != BlockRows)
      configure(BlockRows);
    e.loop(e.index(0), e.index(rows), 1, [&](Value r) {
      auto at = point;
      at[m] = e.add(row, r);
      epilogue.emitRow(at, slab, columnTiles, isLast, memory.floats, [&](int64_t g, int64_t c) {
        int64_t offset = layout.sums + g * BlockRows * BlockColumns + c * MatrixTile;
        return e.add(place(offset), e.mul(r, BlockColumns));
      });
    });
  }

  void forSumTiles(int64_t rowTiles, int64_t columnTiles,
                   llvm::function_ref<void(int64_t rowTile, int64_t columnTile)> body) {
    for (int64_t r = 0; r < rowTiles; ++r)
      for (int64_t c = 0; c < columnTiles; ++c)
        body(r, c);
  }

  /// 32 of K: `left` and `right` are the addresses of their first tiles, `stride` is in bytes.
  void emitStep(int64_t rowTiles, int64_t columnTiles, Value left, int64_t stride, Value right) {
    for (int64_t r = 0; r < rowTiles; ++r)
      tiles.load(LhsTiles + r, e.add(left, e.index(r * MatrixTile * stride)), stride);
    int64_t panelBytes = 2 * group * layout.depths * MatrixDepth * MatrixTile;
    for (int64_t c = 0; c < columnTiles; ++c)
      tiles.load(RhsTiles + c, e.add(right, e.index(c * panelBytes)), 64);
    forSumTiles(rowTiles, columnTiles, [&](int64_t r, int64_t c) {
      tiles.multiply(2 * r + c, LhsTiles + r, RhsTiles + c);
    });
  }

  void emitProducts(Value slab, int64_t columnTiles, Value g, Value row, int64_t rows) {
    int64_t rowTiles = rows > MatrixTile ? 2 : 1;
    auto sumTiles = [&](llvm::function_ref<void(int64_t rowTile, int64_t columnTile)> body) {
      forSumTiles(rowTiles, columnTiles, body);
    };
    sumTiles([&](int64_t r, int64_t c) { tiles.zero(2 * r + c); });
    int64_t panel = layout.depths * MatrixDepth * MatrixTile; // elements of a tile's columns
    Value firstTile = e.add(e.mul(rhsBatch, epilogue.tileCount()), e.mul(slab, 2));
    Value right = tiles.addressOf(rhs, e.mul(e.add(e.mul(firstTile, group), g), panel));
    Value stagedLeft = tiles.addressOf(memory.halves, stage.place(g));
    SmallVector<Value> at(point);
    at[m] = row;
    Value left =
        layout.stagesAll ? stagedLeft : tiles.addressOf(lhs.view.memory, e.offsetOf(lhs, at));
    int64_t stride = 2 * (layout.stagesAll ? stage.stride() : lhs.access.offset.plain(m));
    bool hasEnd = !layout.stagesAll && layout.stagedDepths;
    int64_t whole = layout.depths - hasEnd, tileBytes = 2 * MatrixDepth * MatrixTile;
    e.loop(whole, [&](Value d) {
      epilogue.fetchRows(point, row, slab, columnTiles, e.add(e.mul(g, whole), d), group * whole);
      emitStep(rowTiles, columnTiles, e.add(left, e.mul(d, 2 * MatrixDepth)), stride,
               e.add(right, e.mul(d, tileBytes)));
    });
    if (hasEnd)
      emitStep(rowTiles, columnTiles, stagedLeft, 2 * stage.stride(),
               e.add(right, e.index(whole * tileBytes)));
    Value sums = tiles.addressOf(memory.floats,
                                 e.add(place(layout.sums), e.mul(g, BlockRows * BlockColumns)));
    sumTiles([&](int64_t r, int64_t c) {
      int64_t offset = 4 * (r * MatrixTile * BlockColumns + c * MatrixTile);
      tiles.store(2 * r + c, e.add(sums, e.index(offset)), 4 * BlockColumns);
    });
  }

  Emitter &e;
  TileCode tiles;
  kernel::ContractOp op;
  MatrixMemory memory;
  MatrixScratch layout;
  LhsStage stage;
  BlockEpilogue epilogue;
  ArrayRef<int64_t> sizes;
  unsigned m;
  int64_t group;
  Operand lhs;
  Value rhs, rhsBatch;
  SmallVector<Value> point;
};

/// Slabs of a call: enough columns that a call outweighs its start, and all where the lhs is
/// staged.
constexpr int64_t SlabsPerCall = 8;

} // namespace

int64_t danaus::cpu::matrixScratch(kernel::ContractOp op) {
  if (!op.getMatrixUnit())
    return 0;
  return stagesOperands(op) ? splitScratch(op) : MatrixScratch(op).size;
}

int64_t danaus::cpu::emitMatrixContract(Emitter &e, kernel::ContractOp op, ViewOf viewOf,
                                        Value call, MatrixMemory memory) {
  if (stagesOperands(op))
    return emitSplitContract(e, op, viewOf, call, memory);
  MatrixEmitter contract(e, op, viewOf, memory);
  int64_t rows = op.getSizes()[op.getM()], perCall = (*op.getTile())[2];
  int64_t slabs =
      op.getGroup() > 1 ? contract.slabCount() : std::min(contract.slabCount(), SlabsPerCall);
  int64_t panels = Panel::count(rows, perCall);
  int64_t parts = llvm::divideCeil(contract.slabCount(), slabs);
  Value first = e.mul(e.rem(call, parts), slabs);
  Value panel = e.rem(e.div(call, parts), panels);
  contract.emitSlabs(e.div(call, parts * panels), first, slabs, e.panel(panel, rows, perCall));
  contract.release();
  return contract.batchCount() * panels * parts;
}

void danaus::cpu::emitMatrixRows(Emitter &e, kernel::ContractOp op, ViewOf viewOf,
                                 const Panel &panel, MatrixMemory memory) {
  if (stagesOperands(op))
    return emitSplitRows(e, op, viewOf, panel, memory);
  MatrixEmitter contract(e, op, viewOf, memory);
  e.loop(contract.batchCount(),
         [&](Value batch) { contract.emitSlabs(batch, e.index(0), contract.slabCount(), panel); });
  contract.release();
}
