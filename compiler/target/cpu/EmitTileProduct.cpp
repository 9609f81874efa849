// See EmitTileProduct.h.
#include "compiler/target/cpu/EmitTileProduct.h"

#include "compiler/target/cpu/SplitTerms.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

/// bfloat16 of a tile.
static constexpr int64_t tileSize = MatrixTile * MatrixDepth;

VectorType TileProducts::halves() { return VectorType::get({MatrixDepth}, e.b.getBF16Type()); }

Value TileProducts::zeros() {
  return arith::ConstantOp::create(e.b, e.loc, halves(), e.b.getZeroAttr(halves()));
}

/// The place of a tile, in bfloat16.
Value TileProducts::tileAt(const TiledOperand &operand, Value tile, Value depth) {
  Value number = e.add(e.mul(tile, operand.depths), depth);
  return e.add(e.index(2 * (memory.place + operand.place)), e.mul(number, tileSize));
}

/// Row `row` of the tile at `place`.
void TileProducts::storeHalves(Value value, Value place, int64_t row) {
  vector::StoreOp::create(e.b, e.loc, value, memory.halves,
                          e.add(place, e.index(row * MatrixDepth)));
}

/// Both vectors rounded to nearest, side by side.
Value TileProducts::rounded(Value low, Value high) {
  auto name = e.b.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512");
  return LLVM::CallIntrinsicOp::create(e.b, e.loc, halves(), name, ValueRange{high, low})
      .getResult(0);
}

/// 16 pairs of lanes of two vectors: the lower (half 0) or the upper 16 lanes of each.
Value TileProducts::interleaved(Value a, Value c, int64_t half) {
  auto type = VectorType::get({MatrixDepth}, e.b.getI16Type());
  SmallVector<int64_t> places;
  for (int64_t i = 0; i < MatrixDepth; ++i)
    places.push_back(half * MatrixTile + i / 2 + i % 2 * MatrixDepth);
  Value pairs =
      vector::ShuffleOp::create(e.b, e.loc, vector::BitCastOp::create(e.b, e.loc, type, a),
                                vector::BitCastOp::create(e.b, e.loc, type, c), places);
  return vector::BitCastOp::create(e.b, e.loc, halves(), pairs);
}

/// 32 columns from step `depth` on, of which `columns` (32 at most) are there.
Value TileProducts::loadRow(const Matrix &from, Value row, Value depth, int64_t columns) {
  Value place = e.add(e.add(from.base, e.mul(row, from.stride)), e.mul(depth, MatrixDepth));
  Value parts[2];
  for (int64_t half = 0; half < 2; ++half) {
    int64_t own = std::clamp<int64_t>(columns - half * MatrixTile, 0, MatrixTile);
    parts[half] = own == 0 ? e.zero(e.b.getF32Type())
                           : loadFloats(e, from.memory, e.add(place, e.index(half * MatrixTile)),
                                        own < MatrixTile ? e.index(own) : Value());
  }
  return rounded(parts[0], parts[1]);
}

void TileProducts::stage(const Matrix &from, Value row, int64_t count, int64_t columns,
                         const Forms &forms) {
  int64_t whole = columns / MatrixDepth;
  e.loop(whole, [&](Value depth) { stageStep(from, row, count, depth, MatrixDepth, forms); });
  if (columns % MatrixDepth != 0)
    stageStep(from, row, count, e.index(whole), columns % MatrixDepth, forms);
}

void TileProducts::stageStep(const Matrix &from, Value row, int64_t count, Value depth,
                             int64_t columns, const Forms &forms) {
  for (int64_t half = 0; half < 2; ++half) {
    int64_t first = half * MatrixTile, own = std::clamp<int64_t>(count - first, 0, MatrixTile);
    SmallVector<Value> rows(MatrixTile, zeros());
    for (int64_t r = 0; r < own; ++r)
      rows[r] = loadRow(from, e.add(row, e.index(first + r)), depth, columns);
    Value tile = e.add(e.div(row, MatrixTile), e.index(half));
    if (forms.rows && own)
      for (int64_t r = 0; r < MatrixTile; ++r)
        storeHalves(rows[r], tileAt(*forms.rows, tile, depth), r);
    if (forms.turned && own)
      storeTurned(rows, *forms.turned, tile, depth);
    if (forms.pairs)
      storePairs(rows, *forms.pairs, e.div(row, MatrixDepth), half * MatrixTile / 2, depth,
                 llvm::divideCeil(columns, MatrixTile));
  }
}

/// 16 vectors of 16 words change rows with columns.
void TileProducts::storeTurned(ArrayRef<Value> rows, const TiledOperand &into, Value tile,
                               Value depth) {
  auto words = VectorType::get({MatrixTile}, e.b.getI32Type());
  SmallVector<Value> vectors;
  for (Value row : rows)
    vectors.push_back(vector::BitCastOp::create(e.b, e.loc, words, row));
  interleaveLanes(e, vectors);
  for (auto [i, vector] : llvm::enumerate(vectors))
    storeHalves(vector::BitCastOp::create(e.b, e.loc, halves(), vector), tileAt(into, tile, depth),
                i);
}

/// 16 rows, by `columnTiles` tiles of their columns: pairs from `firstPair` on of step `depth`.
void TileProducts::storePairs(ArrayRef<Value> rows, const TiledOperand &into, Value depth,
                              int64_t firstPair, Value columnDepth, int64_t columnTiles) {
  for (int64_t c = 0; c < columnTiles; ++c) {
    Value place = tileAt(into, e.add(e.mul(columnDepth, 2), e.index(c)), depth);
    for (int64_t i = 0; i < MatrixTile / 2; ++i)
      storeHalves(interleaved(rows[2 * i], rows[2 * i + 1], c), place, firstPair + i);
  }
}

void TileProducts::storeRow(const TiledOperand &into, Value row, Value depth, Value low,
                            Value high) {
  Value place = tileAt(into, e.div(row, MatrixTile), depth);
  storeHalves(rounded(low, high), e.add(place, e.mul(e.rem(row, MatrixTile), MatrixDepth)), 0);
}

void TileProducts::turnBlock(const TiledOperand &from, Value fromDepth, int64_t count,
                             const TiledOperand &into, Value tile, int64_t tiles, Value intoDepth) {
  auto load = [&](int64_t row) -> Value {
    if (row >= count)
      return zeros();
    Value place = tileAt(from, e.index(row / MatrixTile), fromDepth);
    return vector::LoadOp::create(e.b, e.loc, halves(), memory.halves,
                                  e.add(place, e.index(row % MatrixTile * MatrixDepth)));
  };
  for (int64_t half = 0; half < tiles; ++half) {
    SmallVector<Value> pairs;
    for (int64_t i = 0; i < MatrixTile; ++i)
      pairs.push_back(interleaved(load(2 * i), load(2 * i + 1), half));
    storeTurned(pairs, into, e.add(tile, e.index(half)), intoDepth);
  }
}

void TileProducts::multiply(const TiledOperand &lhs, Value rowTile, int64_t rowTiles,
                            const TiledOperand &rhs, Value columnTile, int64_t columnTiles,
                            Value depth, Value sums, int64_t stride) {
  auto forSums = [&](llvm::function_ref<void(int64_t sum, int64_t r, int64_t c)> body) {
    for (int64_t r = 0; r < rowTiles; ++r)
      for (int64_t c = 0; c < columnTiles; ++c)
        body(2 * r + c, r, c);
  };
  auto addresses = [&](const TiledOperand &operand, Value first, int64_t count) {
    SmallVector<Value> result;
    for (int64_t i = 0; i < count; ++i)
      result.push_back(
          code.addressOf(memory.halves, tileAt(operand, e.add(first, e.index(i)), e.index(0))));
    return result;
  };
  forSums([&](int64_t sum, int64_t, int64_t) { code.zero(sum); });
  SmallVector<Value> left = addresses(lhs, rowTile, rowTiles),
                     right = addresses(rhs, columnTile, columnTiles);
  e.loop(e.index(0), depth, 1, [&](Value d) {
    Value step = e.mul(d, 2 * tileSize);
    for (auto [i, address] : llvm::enumerate(left))
      code.load(LhsTiles + i, e.add(address, step), 2 * MatrixDepth);
    for (auto [i, address] : llvm::enumerate(right))
      code.load(RhsTiles + i, e.add(address, step), 2 * MatrixDepth);
    forSums(
        [&](int64_t sum, int64_t r, int64_t c) { code.multiply(sum, LhsTiles + r, RhsTiles + c); });
  });
  Value address = code.addressOf(memory.floats, e.add(e.index(memory.place), sums));
  forSums([&](int64_t sum, int64_t r, int64_t c) {
    code.store(sum, e.add(address, e.index(4 * MatrixTile * (r * stride + c))), 4 * stride);
  });
}

void TileProducts::multiplyColumns(const TiledOperand &lhs, Value rowTile, int64_t rowTiles,
                                   const TiledOperand &rhs, int64_t tiles, Value depth, Value sums,
                                   int64_t stride) {
  auto block = [&](Value tile, int64_t count) {
    multiply(lhs, rowTile, rowTiles, rhs, tile, count, depth, e.add(sums, e.mul(tile, MatrixTile)),
             stride);
  };
  e.loop(tiles / 2, [&](Value pair) { block(e.mul(pair, 2), 2); });
  if (tiles % 2)
    block(e.index(tiles - 1), 1);
}
