// SplitStage's part for bfloat16, which only has to be put in order: eight neighbours of the lhs by
// 32 of K are turned in registers, two rows of the rhs become pairs. With one product for each tile
// this weighs six times as much as for float32: it takes four shuffles, and one, for 32 numbers.
#include "compiler/target/cpu/SplitStage.h"
#include "compiler/target/cpu/SplitTerms.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

/// bfloat16 of 128 bits, and how many of those a register has.
constexpr int64_t Lane = SplitStage::lane, Lanes = MatrixDepth / Lane;

VectorType halves(Emitter &e, int64_t count) { return VectorType::get({count}, e.b.getBF16Type()); }

VectorType words(Emitter &e) { return VectorType::get({MatrixTile}, e.b.getI32Type()); }

Value constantWords(Emitter &e, uint32_t value) {
  return arith::ConstantOp::create(
      e.b, e.loc, DenseElementsAttr::get(words(e), e.b.getI32IntegerAttr(int32_t(value))));
}

Value zeros(Emitter &e, VectorType type) {
  return arith::ConstantOp::create(e.b, e.loc, type, e.b.getZeroAttr(type));
}

/// `width` numbers from `offset` on, of which `count` are there; the others are 0.
Value load(Emitter &e, Value memory, Value offset, int64_t width, int64_t count) {
  VectorType type = halves(e, width);
  if (count <= 0)
    return zeros(e, type);
  if (count >= width)
    return vector::LoadOp::create(e.b, e.loc, type, memory, offset);
  Value mask = vector::CreateMaskOp::create(e.b, e.loc, VectorType::get({width}, e.b.getI1Type()),
                                            ValueRange{e.index(count)});
  return vector::MaskedLoadOp::create(e.b, e.loc, type, memory, offset, mask, zeros(e, type));
}

void store(Emitter &e, Value value, Value memory, Value offset) {
  vector::StoreOp::create(
      e.b, e.loc, vector::BitCastOp::create(e.b, e.loc, halves(e, MatrixDepth), value).getResult(),
      memory, offset);
}

/// The elements of one vector behind those of the other.
Value joined(Emitter &e, Value low, Value high) {
  int64_t count = cast<VectorType>(low.getType()).getNumElements();
  return vector::ShuffleOp::create(e.b, e.loc, low, high,
                                   llvm::to_vector(llvm::seq<int64_t>(0, 2 * count)));
}

/// Eight registers, each of their lanes an 8 x 8 matrix: transposed, by three rounds of
/// interleaving inside the lanes.
void turnLanes(Emitter &e, SmallVectorImpl<Value> &vectors) {
  SmallVector<int64_t> low, high;
  for (int64_t i = 0; i < MatrixDepth; ++i) {
    int64_t place = i / Lane * Lane + i % Lane / 2 + i % 2 * MatrixDepth;
    low.push_back(place);
    high.push_back(place + Lane / 2);
  }
  for (int64_t round = 1; round < Lane; round *= 2) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < Lane / 2; ++i)
      for (ArrayRef<int64_t> places : {ArrayRef(low), ArrayRef(high)})
        next.push_back(
            vector::ShuffleOp::create(e.b, e.loc, vectors[i], vectors[i + Lane / 2], places));
    vectors.assign(next.begin(), next.end());
  }
}

} // namespace

/// Members of a group are neighbours as rows are: which of them is turned makes no difference.
void SplitStage::turnLeft(ArrayRef<Value> point, int64_t rows, Value block, Value d, bool isEnd,
                          llvm::function_ref<void(Value)> turn) {
  Value from = e.offsetOf(lhs, point);
  for (int64_t tile = 0; tile * MatrixTile < rows; ++tile) {
    int64_t neighbours = std::min(rows - tile * MatrixTile, MatrixTile) * layout.group;
    Value own = e.add(from, e.index(tile * MatrixTile * layout.group));
    Value into = e.add(leftPlace(e.index(0), tile, block), e.mul(d, layout.step()));
    e.loop(neighbours / Lane, [&](Value i) {
      if (!isEnd)
        turn(e.add(i, e.index(tile * MatrixTile * layout.group / Lane)));
      turnNeighbours(own, i, Lane, into, isEnd);
    });
    if (neighbours % Lane != 0)
      turnNeighbours(own, e.index(neighbours / Lane), neighbours % Lane, into, isEnd);
  }
}

/// `count` neighbours, Lane * `number` and so on of a tile, by 32 of K. `into` is the tile of the
/// group's first member.
void SplitStage::turnNeighbours(Value from, Value number, int64_t count, Value into, bool isEnd) {
  int64_t depth = isEnd ? op.getSizes()[op.getK()] % MatrixDepth : MatrixDepth;
  int64_t stride = lhs.access.offset.plain(op.getK());
  Value first = e.add(from, e.mul(number, Lane));
  SmallVector<Value> vectors;
  for (int64_t i = 0; i < Lane; ++i) {
    SmallVector<Value> parts;
    for (int64_t lane = 0; lane < Lanes; ++lane) {
      int64_t k = lane * Lane + i;
      parts.push_back(
          load(e, lhs.view.memory, e.add(first, e.index(k * stride)), Lane, k < depth ? count : 0));
    }
    vectors.push_back(joined(e, joined(e, parts[0], parts[1]), joined(e, parts[2], parts[3])));
  }
  turnLanes(e, vectors);
  int64_t group = layout.group, member = 2 * layout.depthsAtOnce * layout.step();
  Value place = e.mul(number, Lane), row = e.div(place, group), g = e.rem(place, group);
  Value base = e.add(into, e.add(e.mul(row, MatrixDepth), e.mul(g, member)));
  for (int64_t i = 0; i < count; ++i)
    store(e, vectors[i], memory.halves,
          e.add(base, e.index(i / group * MatrixDepth + i % group * member)));
}

/// Two rows of K at a time, for all columns of the slab.
void SplitStage::pairRight(ArrayRef<Value> point, int64_t tiles, bool isLast, Value place, Value d,
                           bool isEnd) {
  int64_t group = layout.group, slabWidth = BlockColumns * group;
  int64_t columns = isLast ? (op.getSizes()[op.getN()] - 1) % slabWidth + 1 : slabWidth;
  int64_t depth = isEnd ? op.getSizes()[op.getK()] % MatrixDepth : MatrixDepth;
  int64_t stride = rhs.access.offset.plain(op.getK());
  Value from = e.offsetOf(rhs, point);
  auto pair = [&](Value i, int64_t rows) {
    for (int64_t c = 0; c < tiles; ++c) {
      int64_t first = c * MatrixTile * group;
      Value even = e.add(from, e.add(e.mul(i, 2 * stride), e.index(first)));
      Value into = e.add(rightPlace(e.add(e.mul(place, 2), e.index(c)), e.index(0)),
                         e.add(e.mul(d, layout.step()), e.mul(i, MatrixDepth)));
      storePair(rows > 0 ? even : Value(), rows > 1 ? e.add(even, e.index(stride)) : Value(),
                columns - first, into);
    }
  };
  e.loop(depth / 2, [&](Value i) { pair(i, 2); });
  if (depth % 2 != 0)
    pair(e.index(depth / 2), 1);
  e.loop(e.index(llvm::divideCeil(depth, 2)), e.index(MatrixTile), 1, [&](Value i) { pair(i, 0); });
}

/// 16 columns of each member of the group, of two rows (null: zeros).
void SplitStage::storePair(Value even, Value odd, int64_t columns, Value into) {
  int64_t group = layout.group, member = layout.depthsAtOnce * layout.step();
  if (group == 1) {
    SmallVector<int64_t> places;
    for (int64_t i = 0; i < MatrixTile; ++i)
      places.append({i, MatrixTile + i});
    Value low = load(e, rhs.view.memory, even, MatrixTile, even ? columns : 0);
    Value high = load(e, rhs.view.memory, odd, MatrixTile, odd ? columns : 0);
    return store(e, vector::ShuffleOp::create(e.b, e.loc, low, high, places), memory.halves, into);
  }
  // A word holds two members of one column: words are sorted, then halves of words change places.
  auto membersOf = [&](Value offset) {
    SmallVector<Value> vectors;
    for (int64_t i = 0; i < group / 2; ++i) {
      Value own = offset ? e.add(offset, e.index(i * MatrixDepth)) : Value();
      vectors.push_back(vector::BitCastOp::create(
          e.b, e.loc, words(e),
          load(e, rhs.view.memory, own, MatrixDepth, own ? columns - i * MatrixDepth : 0)));
    }
    return everyNth(e, vectors);
  };
  SmallVector<Value> evens = membersOf(even), odds = membersOf(odd);
  Value sixteen = constantWords(e, 16);
  for (int64_t i = 0; i < group / 2; ++i) {
    Value low = arith::AndIOp::create(e.b, e.loc, evens[i], constantWords(e, 0xFFFF));
    Value high = arith::ShLIOp::create(e.b, e.loc, odds[i], sixteen);
    store(e, arith::OrIOp::create(e.b, e.loc, low, high), memory.halves,
          e.add(into, e.index(2 * i * member)));
    low = arith::ShRUIOp::create(e.b, e.loc, evens[i], sixteen);
    high = arith::AndIOp::create(e.b, e.loc, odds[i], constantWords(e, 0xFFFF0000));
    store(e, arith::OrIOp::create(e.b, e.loc, low, high), memory.halves,
          e.add(into, e.index((2 * i + 1) * member)));
  }
}
