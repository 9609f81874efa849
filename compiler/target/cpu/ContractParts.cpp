// See ContractParts.h.
#include "compiler/target/cpu/ContractParts.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

ContractParts::ContractParts(Emitter &e, kernel::ContractOp op, ViewOf viewOf)
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
}

void ContractParts::forAnySlab(Value slab, llvm::function_ref<void(Value, int64_t, bool)> body) {
  if (slabCount() == 1)
    return body(slab, vectorCount(), isPartial());
  if (!lastSlabDiffers())
    return body(slab, vectorsPerSlab, false);
  auto branch =
      scf::IfOp::create(e.b, e.loc, e.equal(slab, slabCount() - 1), /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  body(e.index(slabCount() - 1), vectorsOfLastSlab(), isPartial());
  e.b.setInsertionPoint(branch.elseBlock()->getTerminator());
  body(slab, vectorsPerSlab, false);
}

SmallVector<Value> ContractParts::pointOf(Value batch) {
  SmallVector<Value> point(sizes.size(), e.index(0));
  for (unsigned i = op.getNumBatch(); i-- > 0;) {
    point[i] = e.rem(batch, sizes[i]);
    batch = e.div(batch, sizes[i]);
  }
  return point;
}

SmallVector<Value> ContractParts::placeIn(ArrayRef<Value> point, Value slab, Value row, int64_t r,
                                          int64_t v) {
  SmallVector<Value> place(point);
  place[m] = e.add(row, e.index(r));
  place[n] = e.add(e.mul(slab, vectorsPerSlab * e.width()), e.index(v * e.width()));
  return place;
}

Value ContractParts::repeated(Value part, int64_t lanes) {
  if (lanes == e.width())
    return part;
  SmallVector<int64_t> repeat;
  for (int64_t i = 0; i < e.width(); ++i)
    repeat.push_back(i % lanes);
  return vector::ShuffleOp::create(e.b, e.loc, part, part, repeat);
}

void ContractParts::finishTile(ArrayRef<Value> point, Value slab, int64_t vectors, bool partial,
                               Value row, int64_t rows, ValueRange sums) {
  for (int64_t v = 0; v < vectors; ++v) {
    SmallVector<Value> shared(extras.size()); // extras that are the same for every row
    for (int64_t r = 0; r < rows; ++r) {
      auto p = placeIn(point, slab, row, r, v);
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
