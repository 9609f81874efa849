// kernel.contract as register-tiled code: MR rows times NV vectors of sums in registers, one vector
// of the rhs and one broadcast of the lhs per product, the whole of K in one loop, the epilogue on
// the sums.
#include "compiler/target/cpu/Emitter.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

class ContractEmitter {
public:
  ContractEmitter(Emitter &e, kernel::ContractOp op, ViewOf viewOf)
      : e(e), op(op), sizes(op.getSizes()), m(op.getM()), n(op.getN()), k(op.getK()),
        rowsPerTile((*op.getTile())[0]), vectorsPerSlab((*op.getTile())[1]) {
    auto operand = [&](Value value, unsigned map) {
      return operandOf(value, op.getMap(map), sizes, m, viewOf);
    };
    lhs = operand(op.getLhs(), kernel::ContractOp::LhsMap);
    rhs = operand(op.getRhs(), kernel::ContractOp::RhsMap);
    for (Value result : op.getResults())
      results.push_back(operand(result, kernel::ContractOp::ResultMap));
    for (auto [i, extra] : llvm::enumerate(op.getExtras()))
      extras.push_back(operand(extra, kernel::ContractOp::FirstExtraMap + i));
    splitGuards();
  }

  int64_t batchCount() const { return llvm::product_of(sizes.drop_back(3)); }
  int64_t vectorCount() const { return llvm::divideCeil(sizes[n], e.width()); }
  int64_t slabCount() const { return llvm::divideCeil(vectorCount(), vectorsPerSlab); }

  /// One slab of columns of one batch, for a panel of rows.
  void emitSlab(Value batch, Value slab, int64_t vectors, bool partial, const Panel &panel) {
    e.forRows(panel, rowsPerTile, [&](Value row, int64_t rows) {
      emitTile(batch, slab, vectors, partial, row, rows, panel);
    });
  }

  /// Calls `emitSlab` with the number of vectors that the slab has; `slab` may be known only at run
  /// time.
  void emitAnySlab(Value batch, Value slab, const Panel &panel) {
    if (!lastSlabDiffers() || slabCount() == 1)
      return emitSlab(batch, slab, slabCount() == 1 ? vectorCount() : vectorsPerSlab, isPartial(),
                      panel);
    auto branch =
        scf::IfOp::create(e.b, e.loc, e.equal(slab, slabCount() - 1), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    emitSlab(batch, e.index(slabCount() - 1), vectorCount() - (slabCount() - 1) * vectorsPerSlab,
             isPartial(), panel);
    e.b.setInsertionPoint(branch.elseBlock()->getTerminator());
    emitSlab(batch, slab, vectorsPerSlab, false, panel);
  }

  void emitAllSlabs(Value batch, const Panel &panel) {
    int64_t whole = lastSlabDiffers() ? slabCount() - 1 : slabCount();
    e.loop(whole, [&](Value slab) { emitSlab(batch, slab, vectorsPerSlab, false, panel); });
    if (lastSlabDiffers())
      emitSlab(batch, e.index(whole), vectorCount() - whole * vectorsPerSlab, isPartial(), panel);
  }

private:
  bool isPartial() const { return sizes[n] % e.width() != 0; }
  bool lastSlabDiffers() const { return isPartial() || vectorCount() % vectorsPerSlab != 0; }

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

  /// The batch indices of a flat batch number, then places for M, N, K.
  SmallVector<Value> pointOf(Value batch) {
    SmallVector<Value> point(sizes.size(), e.index(0));
    for (unsigned i = op.getNumBatch(); i-- > 0;) {
      point[i] = e.rem(batch, sizes[i]);
      batch = e.div(batch, sizes[i]);
    }
    return point;
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
      if (lanes < e.width()) {
        SmallVector<int64_t> repeat;
        for (int64_t i = 0; i < e.width(); ++i)
          repeat.push_back(i % lanes);
        value = vector::ShuffleOp::create(e.b, e.loc, value, value, repeat);
      }
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
  /// first would stop the products of a whole slab. Null where the rhs is small or in no panels.
  Value nextPanel(ArrayRef<Value> point, Value slab, Value row, const Panel &panel) {
    constexpr int64_t worthwhile = 64 * 1024;
    if (!op.getPanel() || sizes[k] * sizes[n] * batchCount() < worthwhile)
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

  void prefetch(Value memory, Value offset, bool isWrite, unsigned level) {
    memref::PrefetchOp::create(e.b, e.loc, memory, offset, isWrite, 4 - level, true);
  }

  void emitTile(Value batch, Value slab, int64_t vectors, bool partial, Value row, int64_t rows,
                const Panel &panel) {
    SmallVector<Value> point = pointOf(batch);
    Value column = e.mul(slab, vectorsPerSlab * e.width());
    auto at = [&](int64_t r, int64_t v) {
      SmallVector<Value> p(point);
      p[m] = e.add(row, e.index(r));
      p[n] = e.add(column, e.index(v * e.width()));
      return p;
    };
    Value ahead = nextPanel(point, slab, row, panel);
    for (const Operand &result : results)
      for (int64_t r = 0; r < rows && result.access.along(n) == Access::Motion::Unit; ++r)
        for (int64_t v = 0; v < vectors; ++v)
          prefetch(result.view.memory, e.offsetOf(result, at(r, v)), true, 1);
    auto step = [&](Value place, ValueRange sums) {
      if (ahead)
        prefetch(rhs.view.memory, e.add(ahead, e.mul(place, shareOfPanel(panel))), false, 2);
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
    SmallVector<Value> sums = e.loopOverSums(
        kBound(point), SmallVector<Value>(rows * vectors, e.zero(e.b.getF32Type())), step);
    for (int64_t v = 0; v < vectors; ++v) {
      SmallVector<Value> shared(extras.size()); // extras that are the same for every row
      for (int64_t r = 0; r < rows; ++r) {
        auto p = at(r, v);
        SmallVector<Value> arguments{sums[r * vectors + v]};
        for (auto [i, extra] : llvm::enumerate(extras)) {
          bool perRow = extra.access.offset.uses(m);
          if (perRow || !shared[i])
            shared[i] = e.loadVector(extra, p, n);
          arguments.push_back(shared[i]);
        }
        auto values = e.vectorise(op.getEpilogue().front(), arguments);
        std::optional<int64_t> limit;
        if (partial && v == vectors - 1)
          limit = sizes[n];
        for (auto [result, value] : llvm::zip(results, values))
          e.storeVector(result, p, n, value, e.mask(result, p, n, limit));
      }
    }
  }

  Emitter &e;
  kernel::ContractOp op;
  ArrayRef<int64_t> sizes;
  unsigned m, n, k;
  int64_t rowsPerTile, vectorsPerSlab;
  Operand lhs, rhs;
  std::vector<Operand> results, extras;
  SmallVector<AccessGuard> kGuards;
};

} // namespace

int64_t danaus::cpu::emitContract(Emitter &e, kernel::ContractOp op, ViewOf viewOf, Value call) {
  ContractEmitter contract(e, op, viewOf);
  int64_t rows = op.getSizes()[op.getM()], perCall = (*op.getTile())[2];
  int64_t panels = Panel::count(rows, perCall), slabs = contract.slabCount();
  Value slab = e.rem(call, slabs);
  Value panel = e.rem(e.div(call, slabs), panels);
  Value batch = e.div(call, slabs * panels);
  contract.emitAnySlab(batch, slab, e.panel(panel, rows, perCall));
  return contract.batchCount() * panels * slabs;
}

void danaus::cpu::emitContractRows(Emitter &e, kernel::ContractOp op, ViewOf viewOf,
                                   const Panel &panel) {
  ContractEmitter contract(e, op, viewOf);
  e.loop(contract.batchCount(), [&](Value batch) { contract.emitAllSlabs(batch, panel); });
}
