// kernel.contract of float32 on AMX: each operand is three bfloat16 terms (SplitTerms.h), and a sum
// takes six of their nine products, smallest first in each step of K. A block of rows and columns
// is computed for one stretch of K after the other: 32 rows of the lhs are split into scratch,
// where the first-level cache keeps them for all columns; the block's stretch of the rhs stays in
// the second-level cache for all rows; its sums go to scratch and back. Where all of the block's
// rhs stays there, all of K is one stretch, and a slab's sums never leave the first-level cache.
// Gradients of weights of bfloat16 are computed so too, in one product: both operands of a stretch
// are put in order first.
#include "compiler/target/cpu/EmitSplit.h"

#include "compiler/target/cpu/FetchShares.h"
#include "compiler/target/cpu/SplitStage.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

/// The terms (lhs, rhs) of the products of a step; one operand's tiles change from one to the next.
struct Product {
  int64_t left, right;
};
constexpr Product ofFloats[SplitProducts] = {{2, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 2}, {0, 0}};
constexpr Product ofHalves[] = {{0, 0}};

class SplitEmitter {
public:
  SplitEmitter(Emitter &e, kernel::ContractOp op, ViewOf viewOf, MatrixMemory memory)
      : e(e), tiles{e}, op(op), memory(memory), layout(op),
        stage{e, op, {}, {}, memory, layout, formOf(op)}, epilogue(e, op, viewOf) {
    unsigned m = op.getM();
    stage.lhs =
        operandOf(op.getLhs(), op.getMap(kernel::ContractOp::LhsMap), op.getSizes(), m, viewOf);
    packed = viewOf(op.getRhs()).memory;
    if (layout.splitsRight)
      stage.rhs =
          operandOf(op.getRhs(), op.getMap(kernel::ContractOp::RhsMap), op.getSizes(), m, viewOf);
  }

  int64_t batchCount() { return llvm::product_of(op.getSizes().drop_back(3)); }
  /// Blocks of columns.
  int64_t blockCount() const { return llvm::divideCeil(epilogue.slabCount(), layout.slabs); }

  /// One batch's block of columns for a panel of rows.
  void emitBlock(Value batch, Value block, const Panel &rows) {
    point = pointOfBatch(e, op, batch);
    if (!layout.splitsRight)
      packedBatchPlace = packedBatch(e, op, point, 7);
    panel = rows;
    firstSlab = e.mul(block, layout.slabs);
    tiles.configure(BlockRows, memory.floats, e.index(memory.place));
    int64_t atOnce = layout.depthsAtOnce;
    if (layout.isWhole())
      return emitStretch(e.index(0), e.index(atOnce));
    e.loop(e.index(0), e.index(layout.depths), atOnce, [&](Value depth) {
      Value count = e.index(atOnce);
      if (layout.depths % atOnce != 0)
        count = arith::MinUIOp::create(e.b, e.loc, count, e.sub(e.index(layout.depths), depth));
      emitStretch(depth, count);
    });
  }

  void release() { tiles.release(); }

private:
  static MatrixLhs formOf(kernel::ContractOp op) {
    if (op.isBlocked())
      return MatrixLhs::Columns;
    return op.getGroup() > 1 ? MatrixLhs::Grouped : MatrixLhs::Contiguous;
  }

  void emitStretch(Value depth, Value count) {
    if (layout.terms == 1)
      stageHalves(depth, count);
    else if (layout.splitsRight)
      epilogue.forSlabs(firstSlab, layout.slabs, [&](Value slab, int64_t columnTiles, bool) {
        stage.splitRight(point, slab, columnTiles, e.sub(slab, firstSlab), depth, count);
      });
    e.forRows(panel, BlockRows, [&](Value row, int64_t rows) {
      if (layout.terms > 1)
        stage.splitLeft(point, row, rows, depth, count);
      int64_t rowTiles = rows > MatrixTile ? 2 : 1;
      if (layout.isWhole()) { // the sums of one slab stay in the first-level cache
        epilogue.forSlabs(firstSlab, layout.slabs, [&](Value slab, int64_t tiles, bool isLast) {
          e.loop(layout.group,
                 [&](Value g) { emitProducts(row, rowTiles, slab, tiles, g, depth, count); });
          emitEpilogue(row, rows, slab, tiles, isLast);
        });
        return;
      }
      e.loop(layout.group, [&](Value g) {
        epilogue.forSlabs(firstSlab, layout.slabs, [&](Value slab, int64_t tiles, bool) {
          emitProducts(row, rowTiles, slab, tiles, g, depth, count);
        });
      });
      ifLast(depth, [&] {
        epilogue.forSlabs(firstSlab, layout.slabs, [&](Value slab, int64_t tiles, bool isLast) {
          emitEpilogue(row, rows, slab, tiles, isLast);
        });
      });
    });
  }

  /// Both operands of a stretch, 32 rows of K of all of the block's columns after the other: so
  /// they lie in memory.
  void stageHalves(Value depth, Value count) {
    stage.forDepths(depth, count, [&](Value d, Value k, bool isEnd) {
      SmallVector<Value> at(point);
      at[op.getK()] = k;
      e.forRows(panel, BlockRows, [&](Value row, int64_t rows) {
        at[op.getM()] = row;
        int64_t shares = BlockRows * layout.group / SplitStage::lane;
        stage.turnLeft(at, rows, blockOf(row), d, isEnd, [&](Value number) {
          fetchOperands(e.add(k, e.index(layout.depthsAhead * MatrixDepth)), 1,
                        e.add(e.mul(blockOf(row), shares), number), rowBlocks(panel) * shares);
        });
      });
      at[op.getM()] = point[op.getM()];
      epilogue.forSlabs(firstSlab, layout.slabs, [&](Value slab, int64_t columnTiles, bool isLast) {
        at[op.getN()] = e.mul(slab, BlockColumns * layout.group);
        stage.pairRight(at, columnTiles, isLast, e.sub(slab, firstSlab), d, isEnd);
      });
    });
  }

  /// Blocks of 32 rows of a panel, and the number of one in it.
  static int64_t rowBlocks(const Panel &panel) { return llvm::divideCeil(panel.full, BlockRows); }
  Value blockOf(Value row) { return e.div(e.sub(row, panel.begin), BlockRows); }

  /// Whether the stretch is the first, the last one.
  void ifFirst(Value depth, llvm::function_ref<void()> first, llvm::function_ref<void()> other) {
    if (layout.isWhole())
      return first();
    auto branch = scf::IfOp::create(e.b, e.loc, e.equal(depth, 0), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    first();
    e.b.setInsertionPoint(branch.elseBlock()->getTerminator());
    other();
  }
  void ifLast(Value depth, llvm::function_ref<void()> body) {
    if (layout.isWhole())
      return body();
    int64_t last = (layout.depths - 1) / layout.depthsAtOnce * layout.depthsAtOnce;
    auto branch = scf::IfOp::create(e.b, e.loc, e.equal(depth, last), /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    body();
  }

  /// Where a block of 32 x 32 sums lies.
  Value sumsPlace(Value row, Value slab, Value g) {
    if (layout.isWhole())
      return e.add(e.index(memory.place + layout.sums), e.mul(g, BlockRows * BlockColumns));
    Value number = e.add(e.mul(blockOf(row), layout.slabs), e.sub(slab, firstSlab));
    return e.add(e.index(memory.place + layout.sums),
                 e.mul(e.add(e.mul(number, layout.group), g), BlockRows * BlockColumns));
  }

  void emitProducts(Value row, int64_t rowTiles, Value slab, int64_t columnTiles, Value g,
                    Value depth, Value count) {
    Value sums = tiles.addressOf(memory.floats, sumsPlace(row, slab, g));
    auto forSums = [&](llvm::function_ref<void(int64_t sum, Value address)> body) {
      for (int64_t r = 0; r < rowTiles; ++r)
        for (int64_t c = 0; c < columnTiles; ++c)
          body(2 * r + c, e.add(sums, e.index(4 * MatrixTile * (r * BlockColumns + c))));
    };
    constexpr int64_t sumStride = 4 * BlockColumns, tileStride = 2 * MatrixDepth;
    ifFirst(
        depth, [&] { forSums([&](int64_t sum, Value) { tiles.zero(sum); }); },
        [&] { forSums([&](int64_t sum, Value place) { tiles.load(sum, place, sumStride); }); });
    SmallVector<Value> left, right;
    Value block = layout.terms == 1 ? blockOf(row) : Value();
    for (int64_t r = 0; r < rowTiles; ++r)
      left.push_back(tiles.addressOf(memory.halves, stage.leftPlace(g, r, block)));
    for (int64_t c = 0; c < columnTiles; ++c)
      right.push_back(rightAddress(slab, c, g, depth));
    e.loop(e.index(0), count, 1, [&](Value d) {
      Value step = e.mul(d, 2 * layout.step());
      auto load = [&](int64_t first, ArrayRef<Value> from, int64_t term) {
        for (auto [i, address] : llvm::enumerate(from))
          tiles.load(first + i, e.add(e.add(address, step), e.index(2 * term * SplitScratch::tile)),
                     tileStride);
      };
      if (layout.splitsRight)
        fetchStretch(row, slab, g, depth, d);
      else
        fetchAhead(row, slab, columnTiles, g, depth, d);
      int64_t leftTerm = -1, rightTerm = -1;
      for (auto [a, c] : layout.terms == 1 ? ArrayRef(ofHalves) : ArrayRef(ofFloats)) {
        if (a != leftTerm)
          load(LhsTiles, left, leftTerm = a);
        if (c != rightTerm)
          load(RhsTiles, right, rightTerm = c);
        for (int64_t r = 0; r < rowTiles; ++r)
          for (int64_t column = 0; column < columnTiles; ++column)
            tiles.multiply(2 * r + column, LhsTiles + r, RhsTiles + column);
      }
      const int64_t perStep = layout.terms == 1 ? 4 + 4 : 4 * SplitProducts + 12; // products, loads
      if (layout.depthsAtOnce * perStep > TileCode::mostUnstored)
        tiles.store(LhsTiles, sums, tileStride); // the sums come later
    });
    forSums([&](int64_t sum, Value place) { tiles.store(sum, place, sumStride); });
  }

  Value rightAddress(Value slab, int64_t c, Value g, Value depth) {
    if (layout.splitsRight) {
      Value own = e.add(e.mul(e.sub(slab, firstSlab), 2), e.index(c));
      return tiles.addressOf(memory.halves, stage.rightPlace(own, g));
    }
    return tiles.addressOf(packed, e.mul(rightStep(slab, c, g, depth), layout.step()));
  }

  /// The number of a step of K in the packed rhs.
  Value rightStep(Value slab, int64_t c, Value g, Value depth) {
    Value tile =
        e.add(e.mul(packedBatchPlace, epilogue.tileCount()), e.add(e.mul(slab, 2), e.index(c)));
    return e.add(e.mul(e.add(e.mul(tile, layout.group), g), layout.depths), depth);
  }

  /// Asks for a share of the next stretch of both operands, of bfloat16 only of its first steps.
  void fetchStretch(Value row, Value slab, Value g, Value depth, Value d) {
    Value number = e.add(e.mul(blockOf(row), layout.group), g);
    number = e.add(e.mul(number, layout.slabs), e.sub(slab, firstSlab));
    number = e.add(e.mul(number, layout.depthsAtOnce), d);
    fetchOperands(e.mul(e.add(depth, e.index(layout.depthsAtOnce)), MatrixDepth),
                  layout.depthsAhead, number,
                  rowBlocks(panel) * layout.slabs * layout.group * layout.depthsAtOnce);
  }

  /// Asks for share `number` of `shares` of both operands, `depths` steps from `k` on.
  void fetchOperands(Value k, int64_t depths, Value number, int64_t shares) {
    SmallVector<Value> at(point);
    auto linesOf = [&](int64_t columns) -> int64_t {
      return llvm::divideCeil(columns * layout.group, perLine(stage.lhs));
    };
    at[op.getK()] = k;
    at[op.getM()] = panel.begin;
    int64_t rows = depths * MatrixDepth;
    fetchShare(e, stage.lhs, at, op.getK(), {rows, linesOf(panel.full), number, shares});
    at[op.getM()] = point[op.getM()];
    at[op.getN()] = e.mul(firstSlab, BlockColumns * layout.group);
    fetchShare(e, stage.rhs, at, op.getK(),
               {rows, linesOf(layout.slabs * BlockColumns), number, shares});
  }

  /// What a chain needs next, asked for step by step.
  void fetchAhead(Value row, Value slab, int64_t columnTiles, Value g, Value depth, Value d) {
    fetchNext(row, slab, columnTiles, g, depth, d);
    fetchLeft(row, slab, g, depth, d);
    ifLast(depth, [&] {
      epilogue.fetchRows(point, row, slab, columnTiles, e.add(e.mul(g, layout.depthsAtOnce), d),
                         layout.group * layout.depthsAtOnce);
    });
  }

  /// Asks for a share of the lhs of the next 32 rows, or of the next stretch.
  void fetchLeft(Value row, Value slab, Value g, Value depth, Value d) {
    int64_t lines = layout.group * layout.depthsAtOnce * 4 * MatrixDepth / cacheLine;
    int64_t steps = layout.slabs * layout.group * layout.depthsAtOnce;
    Value number =
        e.add(e.mul(e.add(e.mul(g, layout.slabs), e.sub(slab, firstSlab)), layout.depthsAtOnce), d);
    Value next = e.add(row, e.index(BlockRows)), k = e.mul(depth, MatrixDepth);
    Value isLast = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::uge, next,
                                         e.add(panel.begin, e.index(panel.full)));
    auto at = point;
    at[op.getM()] = arith::SelectOp::create(e.b, e.loc, isLast, panel.begin, next);
    at[op.getK()] = arith::SelectOp::create(
        e.b, e.loc, isLast, e.add(k, e.index(layout.depthsAtOnce * MatrixDepth)), k);
    fetchShare(e, stage.lhs, at, op.getM(), {BlockRows, lines, number, steps});
  }

  /// Asks for a share of the next stretch of the rhs, which then is in the second-level cache: of
  /// the same slab, one share for each 32 rows. After the last stretch comes the next block of
  /// columns.
  void fetchNext(Value row, Value slab, int64_t columnTiles, Value g, Value depth, Value d) {
    int64_t shares = llvm::divideCeil(panel.full, BlockRows);
    int64_t lines = 2 * layout.step() / cacheLine, perShare = llvm::divideCeil(lines, shares);
    int64_t last = (layout.depths - 1) / layout.depthsAtOnce * layout.depthsAtOnce;
    int64_t nextBlock = layout.slabs * 2 * layout.group * layout.depths - last;
    Value ahead = e.index(layout.depthsAtOnce);
    if (layout.depths > layout.depthsAtOnce)
      ahead = arith::SelectOp::create(e.b, e.loc, e.equal(depth, last), e.index(nextBlock), ahead);
    Value share = e.mul(e.div(e.sub(row, panel.begin), BlockRows), perShare);
    for (int64_t c = 0; c < columnTiles; ++c) {
      Value step = e.add(e.add(rightStep(slab, c, g, depth), d), ahead);
      Value first = e.add(e.mul(step, layout.step()), e.mul(share, cacheLine / 2));
      for (int64_t i = 0; i < perShare; ++i)
        e.prefetch(packed, e.add(first, e.index(i * cacheLine / 2)), false, 2);
    }
  }

  void emitEpilogue(Value row, int64_t rows, Value slab, int64_t columnTiles, bool isLast) {
    e.loop(e.index(0), e.index(rows), 1, [&](Value r) {
      auto at = point;
      at[op.getM()] = e.add(row, r);
      epilogue.emitRow(at, slab, columnTiles, isLast, memory.floats, [&](int64_t g, int64_t c) {
        return e.add(sumsPlace(row, slab, e.index(g)),
                     e.add(e.mul(r, BlockColumns), e.index(c * MatrixTile)));
      });
    });
  }

  Emitter &e;
  TileCode tiles;
  kernel::ContractOp op;
  MatrixMemory memory;
  SplitScratch layout;
  SplitStage stage;
  BlockEpilogue epilogue;
  Panel panel;
  Value packed, packedBatchPlace, firstSlab;
  SmallVector<Value> point;
};

} // namespace

int64_t danaus::cpu::splitScratch(kernel::ContractOp op) { return SplitScratch(op).size; }

int64_t danaus::cpu::emitSplitContract(Emitter &e, kernel::ContractOp op, ViewOf viewOf, Value call,
                                       MatrixMemory memory) {
  SplitEmitter contract(e, op, viewOf, memory);
  int64_t rows = op.getSizes()[op.getM()], perCall = (*op.getTile())[2];
  int64_t panels = Panel::count(rows, perCall), blocks = contract.blockCount();
  Value panel = e.rem(e.div(call, blocks), panels);
  contract.emitBlock(e.div(call, blocks * panels), e.rem(call, blocks),
                     e.panel(panel, rows, perCall));
  contract.release();
  return contract.batchCount() * panels * blocks;
}

void danaus::cpu::emitSplitRows(Emitter &e, kernel::ContractOp op, ViewOf viewOf,
                                const Panel &panel, MatrixMemory memory) {
  SplitEmitter contract(e, op, viewOf, memory);
  e.loop(contract.batchCount(), [&](Value batch) {
    e.loop(contract.blockCount(), [&](Value block) { contract.emitBlock(batch, block, panel); });
  });
  contract.release();
}
