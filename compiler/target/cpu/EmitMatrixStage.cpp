// See EmitMatrixStage.h.
#include "compiler/target/cpu/EmitMatrixStage.h"

#include "compiler/target/cpu/SplitTerms.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

VectorType halves(Emitter &e) { return VectorType::get({MatrixDepth}, e.b.getBF16Type()); }

} // namespace

Value LhsStage::place(Value g) {
  return e.add(e.index(2 * (memory.place + layout.staged)), e.mul(g, BlockRows * stride()));
}

/// 32 elements of the lhs from `offset` on, those from `limit` on zero.
Value LhsStage::loadHalves(Value offset, Value limit) {
  if (!limit)
    return vector::LoadOp::create(e.b, e.loc, halves(e), lhs.view.memory, offset);
  auto type = VectorType::get({MatrixDepth}, e.b.getI1Type());
  Value mask = vector::CreateMaskOp::create(e.b, e.loc, type, ValueRange{limit});
  Value zero = arith::ConstantOp::create(e.b, e.loc, halves(e), e.b.getZeroAttr(halves(e)));
  return vector::MaskedLoadOp::create(e.b, e.loc, halves(e), lhs.view.memory, offset, mask, zero);
}

void LhsStage::padEnd(ArrayRef<Value> point, Value row, int64_t rows) {
  int64_t whole = layout.depths - 1;
  e.loop(e.index(0), e.index(rows), 1, [&](Value r) {
    SmallVector<Value> at(point);
    at[op.getM()] = e.add(row, r);
    at[op.getK()] = e.index(whole * MatrixDepth);
    Value value =
        loadHalves(e.offsetOf(lhs, at), e.index(op.getSizes()[op.getK()] - whole * MatrixDepth));
    vector::StoreOp::create(e.b, e.loc, value, memory.halves,
                            e.add(place(e.index(0)), e.mul(r, stride())));
  });
}

void LhsStage::takeGroupsApart(ArrayRef<Value> point, Value row, int64_t rows) {
  e.loop(e.index(0), e.index(rows), 1, [&](Value r) {
    SmallVector<Value> at(point);
    at[op.getM()] = e.add(row, r);
    Value base = e.offsetOf(lhs, at);
    int64_t whole = op.getSizes()[op.getK()] / MatrixDepth;
    e.loop(whole, [&](Value d) { takeApart(base, r, d, false); });
    if (whole < layout.depths)
      takeApart(base, r, e.index(whole), true);
  });
}

/// Words of two members of the group are sorted by pairs of k and by member; then halves of words
/// change places.
void LhsStage::takeApart(Value base, Value r, Value d, bool isEnd) {
  int64_t group = op.getGroup();
  auto words = VectorType::get({MatrixTile}, e.b.getI32Type());
  Value first = e.mul(d, MatrixDepth * group);
  SmallVector<Value> vectors;
  for (int64_t i = 0; i < group; ++i) {
    Value own = e.add(first, e.index(i * MatrixDepth)), limit;
    if (isEnd)
      limit = arith::MaxSIOp::create(
          e.b, e.loc, e.sub(e.index(op.getSizes()[op.getK()] * group), own), e.index(0));
    vectors.push_back(
        vector::BitCastOp::create(e.b, e.loc, words, loadHalves(e.add(base, own), limit)));
  }
  // Words of one k: group / 2. Sorted by residue: [parity of k][word].
  vectors = everyNth(e, vectors);
  auto constantWords = [&](uint32_t value) -> Value {
    return arith::ConstantOp::create(
        e.b, e.loc, DenseElementsAttr::get(words, e.b.getI32IntegerAttr(int32_t(value))));
  };
  Value sixteen = constantWords(16);
  auto store = [&](int64_t g, Value value) {
    Value where = e.add(e.add(place(e.index(g)), e.mul(r, stride())), e.mul(d, MatrixDepth));
    vector::StoreOp::create(e.b, e.loc,
                            vector::BitCastOp::create(e.b, e.loc, halves(e), value).getResult(),
                            memory.halves, where);
  };
  for (int64_t word = 0; word < group / 2; ++word) {
    Value even = vectors[word], odd = vectors[group / 2 + word];
    Value low = arith::AndIOp::create(e.b, e.loc, even, constantWords(0xFFFF));
    store(2 * word,
          arith::OrIOp::create(e.b, e.loc, low, arith::ShLIOp::create(e.b, e.loc, odd, sixteen)));
    Value high = arith::AndIOp::create(e.b, e.loc, odd, constantWords(0xFFFF0000));
    store(2 * word + 1, arith::OrIOp::create(e.b, e.loc, high,
                                             arith::ShRUIOp::create(e.b, e.loc, even, sixteen)));
  }
}
