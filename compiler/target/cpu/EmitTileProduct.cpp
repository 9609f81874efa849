// See EmitTileProduct.h.
#include "compiler/target/cpu/EmitTileProduct.h"

#include "compiler/target/cpu/SplitTerms.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

/// bfloat16 of a tile.
static constexpr int64_t tileSize = MatrixTile * MatrixDepth;

/// The place of a tile's first term, in bfloat16.
Value TileProducts::tileAt(const TiledOperand &operand, Value tile, Value depth) {
  Value number = e.add(e.mul(tile, operand.depths), depth);
  return e.add(e.index(2 * (memory.place + operand.place)), e.mul(number, terms * tileSize));
}

Value TileProducts::zeros() {
  auto type = VectorType::get({MatrixDepth}, e.b.getBF16Type());
  return arith::ConstantOp::create(e.b, e.loc, type, e.b.getZeroAttr(type));
}

/// 16 pairs of lanes of two vectors: the lower (half 0) or the upper 16 lanes of each.
Value TileProducts::interleaved(Value a, Value c, int64_t half) {
  SmallVector<int64_t> places;
  for (int64_t i = 0; i < MatrixDepth; ++i)
    places.push_back(half * MatrixTile + i / 2 + i % 2 * MatrixDepth);
  return shuffleHalves(e, a, c, places);
}

/// 32 columns from step `depth` on, of which `columns` (32 at most) are there.
TileProducts::Terms TileProducts::loadRow(const Matrix &from, Value row, Value depth,
                                          int64_t columns) {
  Value place = e.add(e.add(from.base, e.mul(row, from.stride)), e.mul(depth, MatrixDepth));
  Value halves[2];
  for (int64_t half = 0; half < 2; ++half) {
    int64_t own = std::clamp<int64_t>(columns - half * MatrixTile, 0, MatrixTile);
    halves[half] = own == 0 ? e.zero(e.b.getF32Type())
                            : loadFloats(e, from.memory, e.add(place, e.index(half * MatrixTile)),
                                         own < MatrixTile ? e.index(own) : Value());
  }
  return rowTerms(e, halves[0], halves[1], terms);
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
    SmallVector<Terms> rows(MatrixTile, Terms(terms, zeros()));
    for (int64_t r = 0; r < own; ++r)
      rows[r] = loadRow(from, e.add(row, e.index(first + r)), depth, columns);
    Value tile = e.add(e.div(row, MatrixTile), e.index(half));
    if (forms.rows && own)
      for (int64_t r = 0; r < MatrixTile; ++r)
        storeTerms(e, rows[r], memory.halves,
                   e.add(tileAt(*forms.rows, tile, depth), e.index(r * MatrixDepth)), tileSize);
    if (forms.turned && own)
      storeTurned(rows, *forms.turned, tile, depth);
    if (forms.pairs)
      storePairs(rows, *forms.pairs, e.div(row, MatrixDepth), half * MatrixTile / 2, depth,
                 llvm::divideCeil(columns, MatrixTile));
  }
}

/// 16 vectors of 16 words change rows with columns.
void TileProducts::storeTurned(ArrayRef<Terms> rows, const TiledOperand &into, Value tile,
                               Value depth) {
  auto words = VectorType::get({MatrixTile}, e.b.getI32Type());
  Value place = tileAt(into, tile, depth);
  for (int64_t t = 0; t < terms; ++t) {
    SmallVector<Value> vectors;
    for (const Terms &row : rows)
      vectors.push_back(vector::BitCastOp::create(e.b, e.loc, words, row[t]));
    interleaveLanes(e, vectors);
    for (auto [i, vector] : llvm::enumerate(vectors)) {
      Value own = vector::BitCastOp::create(e.b, e.loc, zeros().getType(), vector);
      vector::StoreOp::create(e.b, e.loc, own, memory.halves,
                              e.add(place, e.index(t * tileSize + int64_t(i) * MatrixDepth)));
    }
  }
}

/// 16 rows, by `columnTiles` tiles of their columns: pairs from `firstPair` on of step `depth`.
void TileProducts::storePairs(ArrayRef<Terms> rows, const TiledOperand &into, Value depth,
                              int64_t firstPair, Value columnDepth, int64_t columnTiles) {
  for (int64_t c = 0; c < columnTiles; ++c) {
    Value place = tileAt(into, e.add(e.mul(columnDepth, 2), e.index(c)), depth);
    for (int64_t i = 0; i < MatrixTile / 2; ++i) {
      Terms pairs;
      for (int64_t t = 0; t < terms; ++t)
        pairs.push_back(interleaved(rows[2 * i][t], rows[2 * i + 1][t], c));
      storeTerms(e, pairs, memory.halves, e.add(place, e.index((firstPair + i) * MatrixDepth)),
                 tileSize);
    }
  }
}

void TileProducts::storeRow(const TiledOperand &into, Value row, Value depth, Value low,
                            Value high) {
  Value place = tileAt(into, e.div(row, MatrixTile), depth);
  storeTerms(e, rowTerms(e, low, high, terms), memory.halves,
             e.add(place, e.mul(e.rem(row, MatrixTile), MatrixDepth)), tileSize);
}

void TileProducts::turnBlock(const TiledOperand &from, Value fromDepth, int64_t count,
                             const TiledOperand &into, Value tile, int64_t tiles, Value intoDepth) {
  auto load = [&](int64_t row, int64_t term) -> Value {
    if (row >= count)
      return zeros();
    Value place = tileAt(from, e.index(row / MatrixTile), fromDepth);
    int64_t own = term * tileSize + row % MatrixTile * MatrixDepth;
    return vector::LoadOp::create(e.b, e.loc, cast<VectorType>(zeros().getType()), memory.halves,
                                  e.add(place, e.index(own)));
  };
  for (int64_t half = 0; half < tiles; ++half) {
    SmallVector<Terms> pairs;
    for (int64_t i = 0; i < MatrixTile; ++i) {
      pairs.emplace_back();
      for (int64_t t = 0; t < terms; ++t)
        pairs.back().push_back(interleaved(load(2 * i, t), load(2 * i + 1, t), half));
    }
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
    Value step = e.mul(d, 2 * terms * tileSize);
    auto load = [&](int64_t first, ArrayRef<Value> from, int64_t term) {
      for (auto [i, address] : llvm::enumerate(from))
        code.load(first + i, e.add(e.add(address, step), e.index(2 * term * tileSize)),
                  2 * MatrixDepth);
    };
    int64_t leftTerm = -1, rightTerm = -1;
    for (auto [a, c] : productsOf(terms)) {
      if (a != leftTerm)
        load(LhsTiles, left, leftTerm = a);
      if (c != rightTerm)
        load(RhsTiles, right, rightTerm = c);
      forSums([&](int64_t sum, int64_t r, int64_t column) {
        code.multiply(sum, LhsTiles + r, RhsTiles + column);
      });
    }
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
