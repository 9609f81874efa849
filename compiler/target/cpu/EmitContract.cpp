// kernel.contract as register-tiled code: MR rows times NV vectors of sums in registers, one vector
// of the rhs and one broadcast of the lhs per product, the whole of K in one loop, the epilogue on
// the sums.
#include "compiler/target/cpu/ContractParts.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

class ContractEmitter : public ContractParts {
public:
  ContractEmitter(Emitter &e, kernel::ContractOp op, ViewOf viewOf, Value next = Value())
      : ContractParts(e, op, viewOf) {
    splitGuards();
    if (next) {
      auto type = cast<RankedTensorType>(next.getType());
      following = viewOf(next);
      followingLines = llvm::divideCeil(type.getNumElements() * type.getElementTypeBitWidth(), 512);
      followingPerLine = 512 / type.getElementTypeBitWidth();
    }
  }

  /// One slab of columns of one batch, for a panel of rows.
  void emitSlab(Value batch, Value slab, int64_t vectors, bool partial, const Panel &panel) {
    e.forRows(panel, rowsPerTile, [&](Value row, int64_t rows) {
      emitTile(batch, slab, vectors, partial, row, rows, panel);
    });
  }

  /// `slab` may be known only at run time.
  void emitAnySlab(Value batch, Value slab, const Panel &panel) {
    forAnySlab(slab, [&](Value slab, int64_t vectors, bool partial) {
      emitSlab(batch, slab, vectors, partial, panel);
    });
  }

  void emitAllSlabs(Value batch, const Panel &panel) {
    int64_t whole = lastSlabDiffers() ? slabCount() - 1 : slabCount();
    e.loop(whole, [&](Value slab) { emitSlab(batch, slab, vectorsPerSlab, false, panel); });
    if (lastSlabDiffers())
      emitSlab(batch, e.index(whole), vectorsOfLastSlab(), isPartial(), panel);
  }

private:
  /// Guards that only limit K become the loop's bound; the others stay masks.
  void splitGuards() {
    for (Operand *operand : {&lhs, &rhs})
      llvm::erase_if(operand->access.guards, [&](const AccessGuard &guard) {
        if (guard.sum.uses(m) || guard.sum.uses(n) || guard.sum.plain(k) == 0)
          return false;
        kGuards.push_back(guard);
        return true;
      });
  }

  /// How far K goes before an operand ends: min over guards of ceil((extent - rest) / coefficient).
  Value kBound(ArrayRef<Value> point) {
    Value bound = e.index(sizes[k]);
    for (const AccessGuard &guard : kGuards) {
      AccessSum rest = guard.sum;
      int64_t coefficient = rest.plain(k);
      llvm::erase_if(rest.terms, [&](const AccessTerm &term) { return term.dim == k; });
      Value room = e.sub(e.index(guard.extent + coefficient - 1), e.evaluate(rest, point));
      room = arith::MaxSIOp::create(e.b, e.loc, room, e.index(0));
      bound = arith::MinSIOp::create(e.b, e.loc, bound, e.div(room, coefficient));
    }
    return bound;
  }

  /// The place of row `row + r` of a tile that begins at `row`, in a packed lhs: rows of a tile are
  /// neighbours.
  Value offsetInPanel(ArrayRef<Value> point, Value row, int64_t r) {
    int64_t panel = *op.getLhsPanel();
    AccessSum sum; // k, batches and the group
    sum.constant = lhs.view.base + r * (panel / rowsPerTile);
    for (const AccessTerm &term : lhs.access.offset.terms)
      if (term.dim != m)
        sum.add(term);
    return e.add(e.evaluate(sum, point), e.mul(e.div(row, rowsPerTile), sizes[k] * panel));
  }

  /// The lhs element of row `row + r` as a vector; a group repeats over the lanes.
  Value loadLhs(SmallVector<Value> point, Value row, int64_t r) {
    Value value;
    Value offset = op.getLhsPanel() ? offsetInPanel(point, row, r) : e.offsetOf(lhs, point);
    const AccessTerm *group =
        llvm::find_if(lhs.access.offset.terms, [&](const AccessTerm &t) { return t.dim == n; });
    if (group == lhs.access.offset.terms.end()) {
      value = e.splat(e.widened(memref::LoadOp::create(e.b, e.loc, lhs.view.memory, offset)));
    } else {
      int64_t lanes = std::min<int64_t>(group->group, e.width());
      auto part = VectorType::get({lanes}, lhs.element);
      value = e.widened(vector::LoadOp::create(e.b, e.loc, part, lhs.view.memory, offset));
      value = repeated(value, lanes);
    }
    if (Value inside = e.mask(lhs, point, n, std::nullopt))
      value = arith::SelectOp::create(e.b, e.loc, inside, value, e.zero(e.b.getF32Type()));
    return value;
  }

  /// Whether different vectors of a slab see different elements of the lhs.
  bool lhsMovesWithVector() const {
    return llvm::any_of(lhs.access.offset.terms,
                        [&](const AccessTerm &t) { return t.dim == n && t.group > e.width(); });
  }

  Value loadRhs(SmallVector<Value> point, Value slab, int64_t v) {
    if (op.getPanel()) { // n floordiv panel is the slab, n mod panel the vector's place in it
      AccessSum sum;
      sum.constant = rhs.access.offset.constant + rhs.view.base + v * e.width();
      int64_t slabStride = sizes[k] * *op.getPanel();
      for (const AccessTerm &term : rhs.access.offset.terms)
        if (term.dim != n)
          sum.add(term);
      Value offset = e.add(e.evaluate(sum, point), e.mul(slab, slabStride));
      return e.widened(
          vector::LoadOp::create(e.b, e.loc, e.vectorOf(rhs.element), rhs.view.memory, offset));
    }
    Value value = e.widened(e.loadVector(rhs, point, n));
    if (Value inside = e.mask(rhs, point, n, std::nullopt))
      value = arith::SelectOp::create(e.b, e.loc, inside, value, e.zero(e.b.getF32Type()));
    return value;
  }

  /// While a register tile is computed, the second-level cache fetches its share of the panel that
  /// the next slab needs: the hardware's prefetchers end at pages, and a panel read from memory
  /// first would stop the products of a whole slab. Null where the rhs is small or in no panels,
  /// and where the next calls use the same one.
  Value nextPanel(ArrayRef<Value> point, Value slab, Value row, const Panel &panel) {
    constexpr int64_t worthwhile = 64 * 1024;
    if (!op.getPanel() || op.getByColumns() || sizes[k] * sizes[n] * batchCount() < worthwhile)
      return Value();
    AccessSum sum;
    sum.constant = rhs.access.offset.constant + rhs.view.base;
    int64_t slabStride = sizes[k] * *op.getPanel();
    for (const AccessTerm &term : rhs.access.offset.terms)
      if (term.dim != n)
        sum.add(term);
    Value share = e.mul(e.sub(row, panel.begin), shareOfPanel(panel) * sizes[k] / rowsPerTile);
    return e.add(e.add(e.evaluate(sum, point), e.mul(slab, slabStride)),
                 e.add(share, e.index(slabStride)));
  }

  /// Elements of the next panel for each step of K.
  int64_t shareOfPanel(const Panel &panel) {
    return llvm::divideCeil(*op.getPanel(), llvm::divideCeil(panel.full, rowsPerTile));
  }

  /// In each turn of a call's loops over K, asks for as many lines of what the next kernel of the
  /// chain reads: written by other cores, they come from far away, and the hardware's prefetchers
  /// see a few hundred bytes of each place. Null where there is nothing, or too little time.
  std::function<void(Value)> askFollowing(Value batch, Value slab, Value row, const Panel &panel) {
    constexpr int64_t mostPerTurn = 16;
    int64_t turnsPerTile = sizes[k] / Emitter::stepsPerTurn;
    int64_t tiles = llvm::divideCeil(panel.full, rowsPerTile);
    int64_t turns = turnsPerTile * tiles * slabCount() * batchCount();
    int64_t perTurn = turns ? llvm::divideCeil(followingLines, turns) : 0;
    if (perTurn == 0 || perTurn > std::min(mostPerTurn, followingLines))
      return nullptr;
    Value slabs = e.add(e.mul(batch, slabCount()), slab);
    Value tile = e.add(e.mul(slabs, tiles), e.div(e.sub(row, panel.begin), rowsPerTile));
    Value before = e.mul(tile, turnsPerTile);
    return [this, before, perTurn](Value turn) {
      Value line = e.mul(e.add(before, turn), perTurn);
      line = arith::MinUIOp::create(e.b, e.loc, line, e.index(followingLines - perTurn));
      Value place = e.add(e.mul(line, followingPerLine), e.index(following.base));
      for (int64_t i = 0; i < perTurn; ++i)
        e.prefetch(following.memory, e.add(place, e.index(i * followingPerLine)), false, 2);
    };
  }

  void emitTile(Value batch, Value slab, int64_t vectors, bool partial, Value row, int64_t rows,
                const Panel &panel) {
    SmallVector<Value> point = pointOf(batch);
    auto at = [&](int64_t r, int64_t v) { return placeIn(point, slab, row, r, v); };
    Value ahead = nextPanel(point, slab, row, panel);
    auto fetch = [&](const Operand &operand, bool isWrite) {
      for (int64_t r = 0; r < rows && operand.access.along(n) == Access::Motion::Unit; ++r)
        for (int64_t v = 0; v < vectors; ++v)
          e.prefetch(operand.view.memory, e.offsetOf(operand, at(r, v)), isWrite, 1);
    };
    for (const Operand &result : results)
      if (!e.isStreamed(result, n))
        fetch(result, true);
    for (const Operand &extra : extras) // what is not in scratch comes from far away
      if (extra.access.offset.uses(m) && !extra.view.firstRow)
        fetch(extra, false);
    auto step = [&](Value place, ValueRange sums) {
      if (ahead)
        e.prefetch(rhs.view.memory, e.add(ahead, e.mul(place, shareOfPanel(panel))), false, 2);
      auto withK = [&](SmallVector<Value> p) {
        p[k] = place;
        return p;
      };
      SmallVector<Value> right, next;
      for (int64_t v = 0; v < vectors; ++v)
        right.push_back(loadRhs(withK(at(0, v)), slab, v));
      for (int64_t r = 0; r < rows; ++r) {
        Value left;
        for (int64_t v = 0; v < vectors; ++v) {
          if (v == 0 || lhsMovesWithVector())
            left = loadLhs(withK(at(r, v)), row, r);
          next.push_back(e.multiplyAdd(left, right[v], sums[r * vectors + v]));
        }
      }
      return next;
    };
    std::function<void(Value)> ask = askFollowing(batch, slab, row, panel);
    SmallVector<Value> sums =
        e.loopOverSums(kBound(point), SmallVector<Value>(rows * vectors, e.zero(e.b.getF32Type())),
                       step, ask ? llvm::function_ref<void(Value)>(ask) : nullptr);
    finishTile(point, slab, vectors, partial, row, rows, sums);
  }

  SmallVector<AccessGuard> kGuards;
  View following; ///< what the next kernel reads
  int64_t followingLines = 0, followingPerLine = 0;
};

} // namespace

int64_t danaus::cpu::emitContract(Emitter &e, kernel::ContractOp op, ViewOf viewOf, Value call) {
  ContractEmitter contract(e, op, viewOf);
  int64_t rows = op.getSizes()[op.getM()], perCall = (*op.getTile())[2];
  int64_t panels = Panel::count(rows, perCall), slabs = contract.slabCount();
  Value slab = e.rem(call, slabs), panel = e.rem(e.div(call, slabs), panels);
  if (op.getByColumns()) {
    panel = e.rem(call, panels);
    slab = e.rem(e.div(call, panels), slabs);
  }
  Value batch = e.div(call, slabs * panels);
  contract.emitAnySlab(batch, slab, e.panel(panel, rows, perCall));
  return contract.batchCount() * panels * slabs;
}

void danaus::cpu::emitContractRows(Emitter &e, kernel::ContractOp op, ViewOf viewOf,
                                   const Panel &panel, Value next) {
  ContractEmitter contract(e, op, viewOf, next);
  e.loop(contract.batchCount(), [&](Value batch) { contract.emitAllSlabs(batch, panel); });
}
