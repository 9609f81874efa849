// See SplitTerms.h.
#include "compiler/target/cpu/SplitTerms.h"

#include "compiler/lower/MatrixUnit.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

VectorType words(Emitter &e) { return VectorType::get({MatrixTile}, e.b.getI32Type()); }

Value constantWords(Emitter &e, uint32_t value) {
  return arith::ConstantOp::create(
      e.b, e.loc, DenseElementsAttr::get(words(e), e.b.getI32IntegerAttr(int32_t(value))));
}

/// The bits of the terms, each in the upper half of a word. The lower half is 0, but for the last
/// term of a number near the least normal one and below.
SmallVector<Value> termsOf(Emitter &e, Value value) {
  SmallVector<Value> terms;
  for (int64_t i = 1; i < SplitTerms; ++i) {
    Value bits = vector::BitCastOp::create(e.b, e.loc, words(e), value);
    terms.push_back(arith::AndIOp::create(e.b, e.loc, bits, constantWords(e, 0xFFFF0000)));
    value = arith::SubFOp::create(e.b, e.loc, value,
                                  vector::BitCastOp::create(e.b, e.loc, e.floats(), terms.back()));
  }
  terms.push_back(vector::BitCastOp::create(e.b, e.loc, words(e), value)); // 8 bits are left
  return terms;
}

void store(Emitter &e, Value value, Value halves, Value offset) {
  auto type = VectorType::get({MatrixDepth}, e.b.getBF16Type());
  vector::StoreOp::create(
      e.b, e.loc, vector::BitCastOp::create(e.b, e.loc, type, value).getResult(), halves, offset);
}

} // namespace

SmallVector<Value> danaus::cpu::everyNth(Emitter &e, ArrayRef<Value> vectors) {
  if (vectors.size() == 1)
    return {vectors[0]};
  SmallVector<int64_t> evenPlaces, oddPlaces;
  for (int64_t i = 0; i < MatrixTile; ++i) {
    evenPlaces.push_back(2 * i);
    oddPlaces.push_back(2 * i + 1);
  }
  SmallVector<Value> even, odd, result;
  for (size_t i = 0; i < vectors.size(); i += 2) {
    even.push_back(vector::ShuffleOp::create(e.b, e.loc, vectors[i], vectors[i + 1], evenPlaces));
    odd.push_back(vector::ShuffleOp::create(e.b, e.loc, vectors[i], vectors[i + 1], oddPlaces));
  }
  for (auto [a, c] : llvm::zip(everyNth(e, even), everyNth(e, odd))) {
    result.push_back(a);
    result.push_back(c);
  }
  return result;
}

Value danaus::cpu::loadFloats(Emitter &e, Value memory, Value offset, Value limit) {
  if (!limit)
    return vector::LoadOp::create(e.b, e.loc, e.floats(), memory, offset);
  Value mask =
      vector::CreateMaskOp::create(e.b, e.loc, e.vectorOf(e.b.getI1Type()), ValueRange{limit});
  return vector::MaskedLoadOp::create(e.b, e.loc, e.floats(), memory, offset, mask,
                                      e.zero(e.b.getF32Type()));
}

void danaus::cpu::storeTerms(Emitter &e, Value first, Value second, Value halves, Value offset,
                             int64_t stride) {
  auto firsts = termsOf(e, first), seconds = termsOf(e, second);
  Value sixteen = constantWords(e, 16), upper = constantWords(e, 0xFFFF0000);
  for (int64_t t = 0; t < SplitTerms; ++t) {
    Value low = arith::ShRUIOp::create(e.b, e.loc, firsts[t], sixteen);
    // What is left of a number near the least normal one has bits below, which are not the first's.
    Value high = arith::AndIOp::create(e.b, e.loc, seconds[t], upper);
    store(e, arith::OrIOp::create(e.b, e.loc, low, high), halves,
          e.add(offset, e.index(t * stride)));
  }
}
