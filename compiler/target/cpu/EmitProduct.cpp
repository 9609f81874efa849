// See EmitProduct.h.
#include "compiler/target/cpu/EmitProduct.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

/// One register tile: `rows` rows from `row`, `vectors` vectors from `column`; the first of its
/// turns has number `turn` in the product.
void emitTile(Emitter &e, const Product &product, Value row, int64_t rows, Value column,
              int64_t vectors, Value turn) {
  auto columnOf = [&](int64_t v) { return e.add(column, e.index(v * e.width())); };
  SmallVector<Value> sums;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      sums.push_back(product.start ? product.start(e.add(row, e.index(r)), columnOf(v))
                                   : e.zero(e.b.getF32Type()));
  const Matrix &left = product.left, &right = product.right;
  auto step = [&](Value k, ValueRange sums) {
    SmallVector<Value> vectorsOfRight, next;
    Value rightRow = e.add(right.base, e.mul(k, right.stride));
    for (int64_t v = 0; v < vectors; ++v)
      vectorsOfRight.push_back(vector::LoadOp::create(e.b, e.loc, e.floats(), right.memory,
                                                      e.add(rightRow, columnOf(v))));
    for (int64_t r = 0; r < rows; ++r) {
      Value own = e.add(row, e.index(r));
      Value place = product.leftTransposed ? e.add(e.mul(k, left.stride), own)
                                           : e.add(e.mul(own, left.stride), k);
      Value factor =
          e.splat(memref::LoadOp::create(e.b, e.loc, left.memory, e.add(left.base, place)));
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(e.multiplyAdd(factor, vectorsOfRight[v], sums[r * vectors + v]));
    }
    return next;
  };
  auto ask = [&](Value own) { product.ask(e.add(turn, own)); };
  sums = e.loopOverSums(product.depth, sums, step,
                        product.ask ? llvm::function_ref<void(Value)>(ask) : nullptr);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      product.finish(e.add(row, e.index(r)), columnOf(v), sums[r * vectors + v]);
}

} // namespace

void danaus::cpu::emitProduct(Emitter &e, const Panel &rows, const Product &product) {
  // MR * NV sums, NV vectors and a broadcast fit the registers.
  int64_t rowsPerTile = e.isa.registers >= 32 ? 8 : 4, mostVectors = e.isa.registers >= 32 ? 3 : 2;
  int64_t vectors = llvm::divideCeil(product.columns, e.width());
  // Slabs differ by one vector at most: one of a single vector would run at half the speed.
  int64_t slabs = llvm::divideCeil(vectors, mostVectors), narrow = vectors / slabs;
  int64_t wideSlabs = vectors % slabs, wide = narrow + 1;
  int64_t groups = llvm::divideCeil(rows.full, rowsPerTile);
  Value turns = e.div(product.depth, Emitter::stepsPerTurn);
  auto emitSlabs = [&](int64_t before, int64_t first, int64_t count, int64_t perSlab) {
    e.loop(count, [&](Value s) {
      Value tilesBefore = e.mul(e.add(s, e.index(before)), groups);
      Value column = e.add(e.mul(s, perSlab * e.width()), e.index(first * e.width()));
      e.forRows(rows, rowsPerTile, [&](Value row, int64_t group) {
        Value tile = e.add(tilesBefore, e.div(row, rowsPerTile));
        emitTile(e, product, row, group, column, perSlab,
                 arith::MulIOp::create(e.b, e.loc, tile, turns));
      });
    });
  };
  emitSlabs(0, 0, wideSlabs, wide);
  emitSlabs(wideSlabs, wideSlabs * wide, slabs - wideSlabs, narrow);
}
