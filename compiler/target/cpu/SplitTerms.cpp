// See SplitTerms.h.
#include "compiler/target/cpu/SplitTerms.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

VectorType words(Emitter &e) { return VectorType::get({MatrixTile}, e.b.getI32Type()); }

Value constantWords(Emitter &e, uint32_t value) {
  return arith::ConstantOp::create(
      e.b, e.loc, DenseElementsAttr::get(words(e), e.b.getI32IntegerAttr(int32_t(value))));
}

/// The bits of the terms, each in the upper half of a word whose lower half is 0.
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

VectorType halvesType(Emitter &e) { return VectorType::get({MatrixDepth}, e.b.getBF16Type()); }

/// Both vectors rounded to nearest, the first in the lower lanes.
Value rounded(Emitter &e, Value low, Value high) {
  return LLVM::CallIntrinsicOp::create(e.b, e.loc, halvesType(e),
                                       e.b.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512"),
                                       ValueRange{high, low})
      .getResult(0);
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

Value danaus::cpu::shuffleHalves(Emitter &e, Value a, Value c, ArrayRef<int64_t> places) {
  auto type = VectorType::get({MatrixDepth}, e.b.getI16Type());
  Value result =
      vector::ShuffleOp::create(e.b, e.loc, vector::BitCastOp::create(e.b, e.loc, type, a),
                                vector::BitCastOp::create(e.b, e.loc, type, c), places);
  return vector::BitCastOp::create(e.b, e.loc, halvesType(e), result);
}

SmallVector<Value> danaus::cpu::rowTerms(Emitter &e, Value low, Value high, int64_t terms) {
  if (terms == 1)
    return {rounded(e, low, high)};
  SmallVector<int64_t> upper;
  for (int64_t i = 0; i < MatrixDepth; ++i)
    upper.push_back(2 * i + 1);
  SmallVector<Value> result;
  for (auto [a, c] : llvm::zip_equal(termsOf(e, low), termsOf(e, high)))
    result.push_back(shuffleHalves(e, a, c, upper));
  return result;
}

SmallVector<Value> danaus::cpu::pairTerms(Emitter &e, Value even, Value odd, int64_t terms) {
  if (terms == 1) {
    SmallVector<int64_t> inPairs;
    for (int64_t i = 0; i < MatrixDepth; ++i)
      inPairs.push_back(i / 2 + i % 2 * MatrixTile);
    Value both = rounded(e, even, odd);
    return {shuffleHalves(e, both, both, inPairs)};
  }
  Value sixteen = constantWords(e, 16);
  SmallVector<Value> result;
  for (auto [a, c] : llvm::zip_equal(termsOf(e, even), termsOf(e, odd))) {
    Value low = arith::ShRUIOp::create(e.b, e.loc, a, sixteen);
    result.push_back(vector::BitCastOp::create(
        e.b, e.loc, halvesType(e), arith::OrIOp::create(e.b, e.loc, low, c).getResult()));
  }
  return result;
}

void danaus::cpu::storeTerms(Emitter &e, ArrayRef<Value> terms, Value halves, Value offset,
                             int64_t stride) {
  for (auto [t, term] : llvm::enumerate(terms))
    vector::StoreOp::create(e.b, e.loc, term, halves, e.add(offset, e.index(t * stride)));
}
