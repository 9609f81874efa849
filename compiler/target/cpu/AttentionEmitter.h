// What the kernels of attention share, forward and backward: one head of one sample at a time,
// tiles of queries against tiles of keys. Keys (and values) are turned once per tile, so that
// scores are products of whole vectors; what is read once for each row is copied together first,
// since a head's rows lie a power of two apart and would drive each other out of the first-level
// cache. Scores live in the call's scratch. Every sum has one order, whatever the threads.
#pragma once

#include "compiler/target/cpu/EmitProduct.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace danaus::cpu {

/// Below every score; finite, so that differences are.
constexpr double Lowest = -1e30;

/// Places of a call's scratch, in float32 elements.
class ScratchLayout {
public:
  int64_t take(int64_t elements) {
    int64_t place = used;
    used += llvm::alignTo(elements, 16);
    return place;
  }
  int64_t size() const { return used; }

private:
  int64_t used = 0;
};

/// What forward and backward share: sizes, matrices of a head, tiles.
class AttentionEmitter {
public:
  template <typename Op>
  AttentionEmitter(Emitter &e, Op op, ViewOf viewOf, mlir::Value scratch)
      : e(e), viewOf(viewOf), scratch(scratch), batch(op.getBatch()), heads(op.getHeads()),
        tokens(op.getTokens()), headSize(op.getHeadSize()), queries((*op.getTile())[0]),
        keys((*op.getTile())[1]) {}

protected:
  int64_t keyTiles() const { return llvm::divideCeil(tokens, keys); }
  int64_t queryTiles() const { return llvm::divideCeil(tokens, queries); }
  int64_t paddedHead() const { return llvm::alignTo(headSize, e.width()); }
  double scale() const { return 1 / std::sqrt(double(headSize)); }

  /// Chooses the sample and head of the call.
  void enter(mlir::Value unit) {
    head = unit;
    mlir::Value sample = e.div(unit, heads);
    base = e.add(e.mul(sample, tokens * heads * headSize), e.mul(e.rem(unit, heads), headSize));
  }

  /// The head's columns of a (batch, tokens, d) tensor.
  Matrix matrixOf(mlir::Value tensor) { return {viewOf(tensor).memory, base, heads * headSize}; }
  Matrix inScratch(int64_t place, int64_t stride) { return {scratch, e.index(place), stride}; }

  mlir::Value number(double value) {
    return e.splat(mlir::arith::ConstantOp::create(e.b, e.loc, e.b.getF32FloatAttr(value)));
  }
  mlir::Value load(const Matrix &m, mlir::Value row, mlir::Value column) {
    return mlir::vector::LoadOp::create(e.b, e.loc, e.floats(), m.memory, place(m, row, column));
  }
  mlir::Value loadScalar(const Matrix &m, mlir::Value row, mlir::Value column) {
    return e.splat(mlir::memref::LoadOp::create(e.b, e.loc, m.memory, place(m, row, column)));
  }
  void store(const Matrix &m, mlir::Value row, mlir::Value column, mlir::Value value) {
    mlir::vector::StoreOp::create(e.b, e.loc, value, m.memory, place(m, row, column));
  }
  void storeLane(const Matrix &m, mlir::Value row, mlir::Value column, mlir::Value vector) {
    mlir::Value scalar =
        mlir::vector::ExtractOp::create(e.b, e.loc, vector, mlir::ArrayRef<int64_t>{0});
    mlir::memref::StoreOp::create(e.b, e.loc, scalar, m.memory, place(m, row, column));
  }
  /// A whole cache line.
  void storeAroundCaches(const Matrix &m, mlir::Value row, mlir::Value column, mlir::Value value) {
    mlir::vector::StoreOp::create(e.b, e.loc, value, m.memory, place(m, row, column),
                                  /*nontemporal=*/true, llvm::MaybeAlign(cacheLine));
  }
  /// Only the head's own columns: the neighbours are other heads'.
  void storeHead(const Matrix &m, mlir::Value row, mlir::Value column, mlir::Value value) {
    if (headSize % e.width() == 0)
      return store(m, row, column, value);
    mlir::vector::MaskedStoreOp::create(e.b, e.loc, m.memory, place(m, row, column),
                                        lanesBelow(column, e.index(headSize)), value);
  }
  mlir::Value lanesBelow(mlir::Value first, mlir::Value limit) {
    return mlir::vector::CreateMaskOp::create(e.b, e.loc, e.vectorOf(e.b.getI1Type()),
                                              mlir::ValueRange{e.sub(limit, first)});
  }

  mlir::Value add(mlir::Value a, mlir::Value c) {
    return mlir::arith::AddFOp::create(e.b, e.loc, a, c);
  }
  mlir::Value sub(mlir::Value a, mlir::Value c) {
    return mlir::arith::SubFOp::create(e.b, e.loc, a, c);
  }
  mlir::Value mul(mlir::Value a, mlir::Value c) {
    return mlir::arith::MulFOp::create(e.b, e.loc, a, c);
  }
  mlir::Value exp(mlir::Value a) { return mlir::math::ExpOp::create(e.b, e.loc, a); }

  /// The larger one; of a NaN and a number, either: the row's sum has the NaN in any case.
  mlir::Value larger(mlir::Value a, mlir::Value c) {
    mlir::Value isLarger =
        mlir::arith::CmpFOp::create(e.b, e.loc, mlir::arith::CmpFPredicate::OGT, a, c);
    return mlir::arith::SelectOp::create(e.b, e.loc, isLarger, a, c);
  }

  using Combine = mlir::Value (AttentionEmitter::*)(mlir::Value, mlir::Value);
  /// A fold of the vectors of a row, two by two, then of the lanes; in all lanes.
  mlir::Value foldRow(Combine combine, mlir::ArrayRef<mlir::Value> row) {
    mlir::SmallVector<mlir::Value> vectors(row);
    for (size_t half; vectors.size() > 1; vectors.truncate(half)) {
      half = llvm::divideCeil(vectors.size(), 2);
      for (size_t i = 0; half + i < vectors.size(); ++i)
        vectors[i] = (this->*combine)(vectors[i], vectors[half + i]);
    }
    mlir::Value result = vectors[0];
    for (int64_t distance = e.width() / 2; distance; distance /= 2) {
      mlir::SmallVector<int64_t> lanes;
      for (int64_t lane = 0; lane < e.width(); ++lane)
        lanes.push_back(lane ^ distance);
      mlir::Value other = mlir::vector::ShuffleOp::create(e.b, e.loc, result, result, lanes);
      result = (this->*combine)(result, other);
    }
    return result;
  }

  /// The panel of tile `tile`, rows counted from the tile's first.
  Panel tilePanel(mlir::Value tile, int64_t perTile, mlir::Value &first) {
    Panel panel = e.panel(tile, tokens, perTile);
    first = panel.begin;
    panel.begin = e.index(0);
    return panel;
  }
  /// How many rows a panel has.
  mlir::Value countOf(const Panel &panel) {
    if (!panel.isLast)
      return e.index(panel.full);
    return mlir::arith::SelectOp::create(e.b, e.loc, panel.isLast, e.index(panel.last),
                                         e.index(panel.full));
  }

  void emitZeros(const Matrix &matrix) {
    e.loop(e.index(0), e.index(tokens), 1, [&](mlir::Value row) {
      for (int64_t c = 0; c < headSize; c += e.width())
        storeHead(matrix, row, e.index(c), number(0));
    });
  }

  /// sum_c a_c b_c of a row, in all lanes; `change` is applied to what is loaded of a.
  mlir::Value dotOf(const Matrix &a, const Matrix &b, mlir::Value row,
                    llvm::function_ref<mlir::Value(mlir::Value)> change) {
    mlir::SmallVector<mlir::Value> terms;
    for (int64_t c = 0; c < headSize; c += e.width()) {
      mlir::Value column = e.index(c),
                  term = mul(change(load(a, row, column)), load(b, row, column));
      if (c + e.width() > headSize)
        term = mlir::arith::SelectOp::create(e.b, e.loc, lanesBelow(column, e.index(headSize)),
                                             term, number(0));
      terms.push_back(term);
    }
    return foldRow(&AttentionEmitter::add, terms);
  }

  /// into[c][j] = from[first + j][c] for the keys of a tile; keys past the last are copies of it.
  void emitTurned(const Matrix &from, mlir::Value first, const Matrix &into) {
    e.loop(e.index(0), e.index(keys), e.width(), [&](mlir::Value j) {
      for (int64_t c = 0; c < headSize; c += e.width()) {
        mlir::SmallVector<mlir::Value> lanes;
        for (int64_t r = 0; r < e.width(); ++r) {
          mlir::Value row = e.add(e.add(first, j), e.index(r));
          row = mlir::arith::MinUIOp::create(e.b, e.loc, row, e.index(tokens - 1));
          lanes.push_back(load(from, row, e.index(c)));
        }
        interleaveLanes(e, lanes);
        for (int64_t i = 0; i < std::min<int64_t>(e.width(), headSize - c); ++i)
          store(into, e.index(c + i), j, lanes[i]);
      }
    });
  }

  /// into[r] = from[first + r] for `count` rows, one after another in memory.
  void emitCopy(const Matrix &from, mlir::Value first, mlir::Value count, const Matrix &into) {
    Matrix source = from.from(e, first);
    e.loop(e.index(0), count, 1, [&](mlir::Value row) {
      for (int64_t c = 0; c < headSize; c += e.width())
        store(into, row, e.index(c), load(source, row, e.index(c)));
    });
  }

  /// For a product over a tile's queries: its turns ask for rows of the next head, whose columns
  /// lie behind this one's, line by line. Hardware does not foresee them: a row's part is short.
  struct Ahead {
    mlir::Value tensor;
    bool isWritten;
  };
  std::function<void(mlir::Value)> askAhead(mlir::Value first, mlir::ArrayRef<Ahead> tensors) {
    if (keyTiles() > 1) // the tile comes again, with other keys
      return nullptr;
    constexpr int64_t line = 16;
    int64_t lines = llvm::divideCeil(headSize, line);
    mlir::SmallVector<std::pair<Matrix, bool>> matrices;
    for (const Ahead &ahead : tensors)
      matrices.push_back({matrixOf(ahead.tensor).from(e, first), ahead.isWritten});
    return [this, matrices, lines](mlir::Value turn) {
      mlir::Value row =
          mlir::arith::MinUIOp::create(e.b, e.loc, e.div(turn, lines), e.index(queries - 1));
      mlir::Value column = e.add(e.mul(e.rem(turn, lines), line), e.index(headSize));
      for (auto &[matrix, isWritten] : matrices)
        ask(matrix, row, column, isWritten);
    };
  }
  void ask(const Matrix &m, mlir::Value row, mlir::Value column, bool isWritten) {
    e.prefetch(m.memory, place(m, row, column), isWritten, 2);
  }

  Emitter &e;
  ViewOf viewOf;
  mlir::Value scratch, head, base;
  int64_t batch, heads, tokens, headSize, queries, keys;

private:
  mlir::Value place(const Matrix &m, mlir::Value row, mlir::Value column) {
    return e.add(m.base, e.add(e.mul(row, m.stride), column));
  }
};

} // namespace danaus::cpu
