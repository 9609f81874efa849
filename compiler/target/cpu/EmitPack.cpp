// kernel.pack: blocks of 16 columns by 32 of K, rounded or split, paired and turned in registers. A
// register of "pairs" holds 16 columns of two of K, one of a "row" 32 of K of one
// column; the one is the other transposed, as a matrix of 32-bit words.
#include "compiler/lower/MatrixUnit.h"
#include "compiler/target/cpu/SplitTerms.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

class PackEmitter {
public:
  PackEmitter(Emitter &e, kernel::PackOp op, ViewOf viewOf)
      : e(e), op(op), batch(op.getSizes().size() - 2), columns(op.getSizes()[batch]),
        depth(op.getSizes()[batch + 1]), group(op.getGroup()),
        isRows(op.getForm() == kernel::PackForm::Rows) {
    auto type = cast<RankedTensorType>(op.getInput().getType());
    auto access = packAccess(op.getMap(), type.getShape(), op.getSizes(), group);
    assert(access && "kernel-pack-operands packs what can be packed");
    input = {viewOf(op.getInput()), *access, ~0u, type.getElementType()};
    result = viewOf(op.getResult()).memory;
  }

  /// A call takes a few blocks of columns and a stretch of K, so that it reads whole cache lines.
  int64_t emit(Value call) {
    constexpr int64_t blocksPerCall = 4, depthsPerCall = 8;
    int64_t blocks = llvm::divideCeil(columns, MatrixTile * group);
    int64_t stretches = llvm::divideCeil(depths(), depthsPerCall);
    int64_t parts = llvm::divideCeil(blocks, blocksPerCall);
    Value flat = e.div(call, stretches * parts);
    point.assign(batch + 4, e.index(0));
    flatBatch = flat;
    for (unsigned i = batch; i-- > 0;) {
      point[i] = e.rem(flat, op.getSizes()[i]);
      flat = e.div(flat, op.getSizes()[i]);
    }
    Value firstDepth = e.mul(e.rem(call, stretches), depthsPerCall);
    Value firstBlock = e.mul(e.rem(e.div(call, stretches), parts), blocksPerCall);
    auto overBlocks = [&](llvm::function_ref<void(Value, Value)> body) {
      forRange(firstBlock, blocksPerCall, blocks,
               [&](Value block) { e.loop(group, [&](Value g) { body(block, g); }); });
    };
    auto overDepths = [&](llvm::function_ref<void(Value)> body) {
      forRange(firstDepth, depthsPerCall, depths(), body);
    };
    if (readsRows()) // 16 rows at a time
      overBlocks(
          [&](Value block, Value g) { overDepths([&](Value d) { emitAnyBlock(block, g, d); }); });
    else
      overDepths(
          [&](Value d) { overBlocks([&](Value block, Value g) { emitAnyBlock(block, g, d); }); });
    return llvm::product_of(op.getSizes().take_front(batch)) * parts * stretches;
  }

private:
  int64_t depths() const { return llvm::divideCeil(depth, MatrixDepth); }
  unsigned laneDim() const { return batch + 2; }
  unsigned depthDim() const { return batch + 3; }

  /// Whether neighbours in memory are of K, not of the columns.
  bool readsRows() const { return input.access.offset.plain(depthDim()) == 1; }

  /// Asks for what a block of the same rows reads two blocks later: the processor does not foresee
  /// 16 rows that lie far apart. Beyond the last of K it asks in vain.
  void askAhead(Value block, Value g, Value d) {
    const int64_t perLine = 8 * cacheLine / input.element.getIntOrFloatBitWidth();
    Value k = e.mul(e.add(d, e.index(2)), MatrixDepth);
    for (int64_t lane = 0; lane < MatrixTile; ++lane) {
      Value offset = offsetAt(block, g, e.index(lane), k);
      for (int64_t i = 0; i < MatrixDepth; i += perLine)
        e.prefetch(input.view.memory, e.add(offset, e.index(i)), /*isWrite=*/false, 1);
    }
  }

  void forRange(Value from, int64_t count, int64_t limit, llvm::function_ref<void(Value)> body) {
    Value end = arith::MinUIOp::create(e.b, e.loc, e.add(from, e.index(count)), e.index(limit));
    e.loop(from, end, 1, body);
  }

  /// The last block of K may be short.
  void emitAnyBlock(Value block, Value g, Value d) {
    int64_t rest = depth % MatrixDepth;
    if (rest == 0)
      return emitBlock(block, g, d, MatrixDepth);
    auto branch = scf::IfOp::create(e.b, e.loc, e.equal(d, depths() - 1), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    emitBlock(block, g, d, rest);
    e.b.setInsertionPoint(branch.elseBlock()->getTerminator());
    emitBlock(block, g, d, MatrixDepth);
  }

  void emitBlock(Value block, Value g, Value d, int64_t count) {
    if (readsRows())
      askAhead(block, g, d);
    if (op.getTerms())
      return emitTerms(block, g, d, count);
    SmallVector<Value> words;
    for (int64_t i = 0; i < MatrixTile; ++i)
      words.push_back(readsRows() ? rowOf(block, g, d, i, count) : pairsOf(block, g, d, i, count));
    if (readsRows() != isRows)
      interleaveLanes(e, words);
    Value base = placeOf(block, g, d);
    for (auto [i, value] : llvm::enumerate(words)) {
      auto type = VectorType::get({MatrixDepth}, e.b.getBF16Type());
      int64_t stride = isRows ? depths() * MatrixDepth : MatrixDepth;
      vector::StoreOp::create(e.b, e.loc,
                              vector::BitCastOp::create(e.b, e.loc, type, value).getResult(),
                              result, e.add(base, e.index(int64_t(i) * stride)));
    }
  }

  /// Numbers are turned before they are split: one, not three.
  void emitTerms(Value block, Value g, Value d, int64_t count) {
    SmallVector<Value> columns;
    for (int64_t half = 0; half < MatrixDepth; half += MatrixTile) {
      SmallVector<Value> numbers;
      for (int64_t i = 0; i < MatrixTile; ++i)
        numbers.push_back(readsRows() ? load(e.add(rowOffset(block, g, d, i), e.index(half)),
                                             MatrixTile, count - half)
                                      : numbersOf(block, g, d, half + i, count));
      if (readsRows())
        interleaveLanes(e, numbers);
      columns.append(numbers);
    }
    constexpr int64_t tile = MatrixTile * MatrixDepth;
    Value base =
        e.add(e.mul(panelOf(block, g), depths() * SplitTerms * tile), e.mul(d, SplitTerms * tile));
    for (int64_t i = 0; i < MatrixTile; ++i)
      storeTerms(e, columns[i], columns[i + MatrixTile], result,
                 e.add(base, e.index(i * MatrixDepth)), tile);
  }

  Value panelOf(Value block, Value g) {
    int64_t blocks = llvm::divideCeil(columns, MatrixTile * group);
    return e.add(e.mul(e.add(e.mul(flatBatch, blocks), block), group), g);
  }

  /// Where a block begins in the result.
  Value placeOf(Value block, Value g, Value d) {
    Value place = e.mul(panelOf(block, g), MatrixTile * depths() * MatrixDepth);
    return e.add(place, e.mul(d, isRows ? MatrixDepth : MatrixDepth * MatrixTile));
  }

  Value offsetAt(Value block, Value g, Value lane, Value k) {
    SmallVector<Value> at(point);
    at[batch] = block;
    at[batch + 1] = g;
    at[laneDim()] = lane;
    at[depthDim()] = k;
    return e.offsetOf(input, at);
  }

  /// `count` numbers from `offset` on, then zeros up to `width`.
  Value load(Value offset, int64_t width, int64_t count) {
    auto type = VectorType::get({width}, input.element);
    if (count >= width)
      return vector::LoadOp::create(e.b, e.loc, type, input.view.memory, offset);
    Value zero = arith::ConstantOp::create(e.b, e.loc, type, e.b.getZeroAttr(type));
    if (count <= 0)
      return zero;
    Value mask = vector::CreateMaskOp::create(e.b, e.loc, VectorType::get({width}, e.b.getI1Type()),
                                              ValueRange{e.index(count)});
    return vector::MaskedLoadOp::create(e.b, e.loc, type, input.view.memory, offset, mask, zero);
  }

  Value rounded(Value value) {
    auto type = cast<VectorType>(value.getType());
    if (type.getElementType().isBF16())
      return value;
    return arith::TruncFOp::create(e.b, e.loc, type.clone(e.b.getBF16Type()), value);
  }

  Value bitsOf(Value value) {
    auto type = cast<VectorType>(value.getType()).clone(e.b.getI16Type());
    return vector::BitCastOp::create(e.b, e.loc, type, value);
  }

  VectorType wordsType() { return VectorType::get({MatrixTile}, e.b.getI32Type()); }

  /// Where a column begins; beyond the last column the last one again, which nobody reads.
  Value rowOffset(Value block, Value g, Value d, int64_t lane) {
    Value own = e.index(lane);
    if (columns % (MatrixTile * group) != 0) {
      Value last = e.div(e.sub(e.index(columns - 1), g), group);
      last = arith::MaxSIOp::create(e.b, e.loc, e.sub(last, e.mul(block, MatrixTile)), e.index(0));
      own = arith::MinSIOp::create(e.b, e.loc, own, last);
    }
    return offsetAt(block, g, own, e.mul(d, MatrixDepth));
  }

  /// 32 of K of one column.
  Value rowOf(Value block, Value g, Value d, int64_t lane, int64_t count) {
    Value offset = rowOffset(block, g, d, lane), row;
    if (input.element.isBF16()) {
      row = load(offset, MatrixDepth, count);
    } else {
      SmallVector<int64_t> both(MatrixDepth);
      std::iota(both.begin(), both.end(), 0);
      Value low = load(offset, MatrixTile, count);
      Value high = load(e.add(offset, e.index(MatrixTile)), MatrixTile, count - MatrixTile);
      row = rounded(vector::ShuffleOp::create(e.b, e.loc, low, high, both));
    }
    return vector::BitCastOp::create(e.b, e.loc, wordsType(), row);
  }

  /// 16 columns of the neighbours 2 i and 2 i + 1 of K.
  Value pairsOf(Value block, Value g, Value d, int64_t i, int64_t count) {
    Value low = columnsOf(block, g, d, 2 * i, count),
          high = columnsOf(block, g, d, 2 * i + 1, count);
    Value sixteen = arith::ConstantOp::create(
        e.b, e.loc, DenseElementsAttr::get(wordsType(), e.b.getI32IntegerAttr(16)));
    return arith::OrIOp::create(e.b, e.loc, low, arith::ShLIOp::create(e.b, e.loc, high, sixteen));
  }

  /// 16 columns at one k.
  Value numbersOf(Value block, Value g, Value d, int64_t k, int64_t count) {
    if (k >= count)
      return e.zero(input.element);
    Value offset = offsetAt(block, g, e.index(0), e.add(e.mul(d, MatrixDepth), e.index(k)));
    SmallVector<Value> vectors;
    for (int64_t i = 0; i < input.access.offset.plain(laneDim()); ++i)
      vectors.push_back(load(e.add(offset, e.index(i * MatrixTile)), MatrixTile, MatrixTile));
    return everyNth(e, vectors)[0];
  }

  /// The bits of 16 columns at one k, each in a word.
  Value columnsOf(Value block, Value g, Value d, int64_t k, int64_t count) {
    if (k >= count)
      return arith::ConstantOp::create(e.b, e.loc, wordsType(), e.b.getZeroAttr(wordsType()));
    Value offset = offsetAt(block, g, e.index(0), e.add(e.mul(d, MatrixDepth), e.index(k)));
    int64_t stride = input.access.offset.plain(laneDim());
    SmallVector<Value> words;
    for (int64_t i = 0; i < stride; ++i) {
      Value value = rounded(load(e.add(offset, e.index(i * MatrixTile)), MatrixTile, MatrixTile));
      words.push_back(arith::ExtUIOp::create(e.b, e.loc, wordsType(), bitsOf(value)));
    }
    SmallVector<int64_t> even;
    for (int64_t i = 0; i < MatrixTile; ++i)
      even.push_back(2 * i);
    while (words.size() > 1) { // every second, again and again: every stride-th
      SmallVector<Value> next;
      for (size_t i = 0; i < words.size(); i += 2)
        next.push_back(vector::ShuffleOp::create(e.b, e.loc, words[i], words[i + 1], even));
      words = next;
    }
    return words[0];
  }

  Emitter &e;
  kernel::PackOp op;
  unsigned batch;
  int64_t columns, depth, group;
  bool isRows;
  Operand input;
  Value result, flatBatch;
  SmallVector<Value> point;
};

} // namespace

int64_t danaus::cpu::emitPack(Emitter &e, kernel::PackOp op, ViewOf viewOf, Value call) {
  return PackEmitter(e, op, viewOf).emit(call);
}
