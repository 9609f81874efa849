// kernel.contract with a sum of thousands of rows, as gradients of weights have it. A call computes
// a block of rows and slabs of the result, for one stretch of K after the other: it packs the
// stretch of the rhs into its scratch, where the second-level cache keeps it, and adds its products
// to sums that lie there too. The lhs is read where it lies, a cache line of each row of K for a
// register tile; the second-level cache was asked for it during the stretch before. Each element is
// read from memory once a block, and used as often as the block is wide.
#include "compiler/target/cpu/ContractParts.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

/// What a call has in scratch, in float32 elements from its beginning.
struct Layout {
  int64_t rows, slabs, depth; ///< of a block
  int64_t group;              ///< neighbours of the lhs that a row of the result takes
  int64_t slabWidth;
  int64_t sums = 0, right, end;

  Layout(kernel::ContractOp op, int64_t width)
      : rows((*op.getTile())[2]), slabs((*op.getTile())[3]), depth((*op.getTile())[4]),
        group(op.getGroup()), slabWidth((*op.getTile())[1] * width) {
    right = rows * slabs * slabWidth;
    end = right + slabs * depth * slabWidth;
  }
};

class BlockedEmitter : ContractParts {
public:
  BlockedEmitter(Emitter &e, kernel::ContractOp op, ViewOf viewOf, Value scratch)
      : ContractParts(e, op, viewOf), scratch(scratch), layout(op, e.width()) {}

  int64_t emit(Value call) {
    int64_t panels = Panel::count(sizes[m], layout.rows);
    int64_t groups = Panel::count(slabCount(), layout.slabs);
    block = e.panel(e.rem(e.div(call, groups), panels), sizes[m], layout.rows);
    Panel slabs = e.panel(e.rem(call, groups), slabCount(), layout.slabs);
    firstSlab = slabs.begin;
    slabsHere = choose(slabs, slabs.full, slabs.last);
    point = pointOf(e.div(call, groups * panels));
    e.loop(layout.right / e.width(),
           [&](Value i) { store(e.zero(e.b.getF32Type()), e.mul(i, e.width())); });
    e.loop(e.index(0), e.index(sizes[k]), layout.depth, [&](Value start) { emitStretch(start); });
    forTiles([&](Value place, Value slab, int64_t vectors, bool partial, Value row, int64_t rows) {
      finishTile(point, slab, vectors, partial, row, rows, loadSums(place, row, rows, vectors));
    });
    return batchCount() * panels * groups;
  }

private:
  Value choose(const Panel &panel, int64_t full, int64_t last) {
    if (!panel.isLast || full == last)
      return e.index(full);
    return arith::SelectOp::create(e.b, e.loc, panel.isLast, e.index(last), e.index(full));
  }

  void emitStretch(Value start) {
    Value count = e.index(layout.depth);
    if (sizes[k] % layout.depth != 0)
      count = arith::MinUIOp::create(e.b, e.loc, count, e.sub(e.index(sizes[k]), start));
    e.loop(e.index(0), count, 1, [&](Value i) { packRight(start, i); });
    forTiles([&](Value place, Value, int64_t vectors, bool, Value row, int64_t rows) {
      emitProducts(start, place, vectors, row, rows, count);
    });
  }

  /// Calls `body` for every register tile of the block; `place` numbers its slabs.
  void forTiles(llvm::function_ref<void(Value place, Value slab, int64_t vectors, bool partial,
                                        Value row, int64_t rows)>
                    body) {
    e.loop(e.index(0), slabsHere, 1, [&](Value place) {
      forAnySlab(e.add(firstSlab, place), [&](Value slab, int64_t vectors, bool partial) {
        e.forRows(block, rowsPerTile,
                  [&](Value row, int64_t rows) { body(place, slab, vectors, partial, row, rows); });
      });
    });
  }

  /// One row of K of all slabs: (slab, K, columns).
  void packRight(Value start, Value i) {
    e.loop(e.index(0), slabsHere, 1, [&](Value place) {
      Value into = e.mul(e.add(e.mul(place, layout.depth), i), layout.slabWidth);
      for (int64_t v = 0; v < vectorsPerSlab; ++v) {
        auto at = placeIn(point, e.add(firstSlab, place), e.index(0), 0, v);
        at[k] = e.add(start, i);
        Value value = e.widened(e.loadVector(rhs, at, n));
        if (Value inside = e.mask(rhs, at, n, std::nullopt))
          value = arith::SelectOp::create(e.b, e.loc, inside, value, e.zero(e.b.getF32Type()));
        store(value, e.add(into, e.index(layout.right + v * e.width())));
      }
    });
  }

  void store(Value value, Value offset) {
    vector::StoreOp::create(e.b, e.loc, value, scratch, offset);
  }

  /// Where the sums of vector `v` of row `row + r` lie.
  Value sumOffset(Value place, Value row, int64_t r, int64_t v) {
    Value own = e.add(e.mul(place, layout.rows), e.sub(row, block.begin));
    return e.add(e.mul(own, layout.slabWidth), e.index(r * layout.slabWidth + v * e.width()));
  }

  SmallVector<Value> loadSums(Value place, Value row, int64_t rows, int64_t vectors) {
    SmallVector<Value> sums;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        sums.push_back(
            vector::LoadOp::create(e.b, e.loc, e.floats(), scratch, sumOffset(place, row, r, v)));
    return sums;
  }

  /// While products are computed, the second-level cache fetches the next stretch of an operand:
  /// one row of K after the other, `width` elements each from `at` on.
  void fetchNext(const Operand &operand, ArrayRef<Value> at, int64_t width, Value start,
                 Value turn) {
    constexpr int64_t line = 16;
    int64_t lines = llvm::divideCeil(width, line);
    int64_t tiles = layout.slabs * llvm::divideCeil(layout.rows, rowsPerTile);
    int64_t turns = tiles * std::max<int64_t>(layout.depth / Emitter::stepsPerTurn, 1);
    int64_t perTurn = llvm::divideCeil(lines * layout.depth, turns);
    for (int64_t j = 0; j < perTurn; ++j) {
      Value number = e.add(e.mul(turn, perTurn), e.index(j));
      SmallVector<Value> next(at);
      next[k] = e.add(e.add(start, e.index(layout.depth)), e.div(number, lines));
      e.prefetch(operand.view.memory,
                 e.add(e.offsetOf(operand, next), e.mul(e.rem(number, lines), line)), false, 2);
    }
  }

  void emitProducts(Value start, Value place, int64_t vectors, Value row, int64_t rows,
                    Value count) {
    Value right = e.mul(place, layout.depth * layout.slabWidth);
    auto step = [&](Value i, ValueRange sums) {
      SmallVector<Value> columns, next;
      Value rightRow = e.add(right, e.mul(i, layout.slabWidth));
      auto at = placeIn(point, e.index(0), row, 0, 0);
      at[k] = e.add(start, i);
      Value leftRow = e.offsetOf(lhs, at);
      for (int64_t v = 0; v < vectors; ++v)
        columns.push_back(
            vector::LoadOp::create(e.b, e.loc, e.floats(), scratch,
                                   e.add(rightRow, e.index(layout.right + v * e.width()))));
      for (int64_t r = 0; r < rows; ++r) {
        Value factor = loadFactor(e.add(leftRow, e.index(r * layout.group)));
        for (int64_t v = 0; v < vectors; ++v)
          next.push_back(e.multiplyAdd(factor, columns[v], sums[r * vectors + v]));
      }
      return next;
    };
    Value tile = e.add(e.mul(place, llvm::divideCeil(layout.rows, rowsPerTile)),
                       e.div(e.sub(row, block.begin), rowsPerTile));
    auto fetch = [&](Value turn) {
      turn = e.add(e.mul(tile, layout.depth / Emitter::stepsPerTurn), turn);
      SmallVector<Value> at(point);
      at[m] = block.begin;
      fetchNext(lhs, at, layout.rows * layout.group, start, turn);
      at = placeIn(point, firstSlab, e.index(0), 0, 0);
      fetchNext(rhs, at, layout.slabs * layout.slabWidth, start, turn);
    };
    SmallVector<Value> sums =
        e.loopOverSums(count, loadSums(place, row, rows, vectors), step, fetch);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        store(sums[r * vectors + v], sumOffset(place, row, r, v));
  }

  /// What a row of the result is multiplied by: one number, or a group that repeats.
  Value loadFactor(Value offset) {
    if (layout.group == 1)
      return e.splat(e.widened(memref::LoadOp::create(e.b, e.loc, lhs.view.memory, offset)));
    auto type = VectorType::get({layout.group}, lhs.element);
    return repeated(e.widened(vector::LoadOp::create(e.b, e.loc, type, lhs.view.memory, offset)),
                    layout.group);
  }

  Value scratch;
  Layout layout;
  Panel block;
  Value firstSlab, slabsHere;
  SmallVector<Value> point;
};

} // namespace

int64_t danaus::cpu::emitBlockedContract(Emitter &e, kernel::ContractOp op, ViewOf viewOf,
                                         Value call, Value scratch) {
  return BlockedEmitter(e, op, viewOf, scratch).emit(call);
}

int64_t danaus::cpu::blockedScratch(kernel::ContractOp op, const Isa &isa) {
  return op.isBlocked() ? Layout(op, isa.width).end : 0;
}
