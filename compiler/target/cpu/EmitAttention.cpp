// kernel.attention and kernel.attention_backward: one head of one sample at a time, tiles of
// queries against tiles of keys. Keys (and values) are turned once per tile, so that scores are
// products of whole vectors; scores live in the call's scratch. Every sum has one order, whatever
// the threads.
#include "compiler/target/cpu/EmitProduct.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

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
  AttentionEmitter(Emitter &e, Op op, ViewOf viewOf, Value scratch)
      : e(e), viewOf(viewOf), scratch(scratch), batch(op.getBatch()), heads(op.getHeads()),
        tokens(op.getTokens()), headSize(op.getHeadSize()), queries((*op.getTile())[0]),
        keys((*op.getTile())[1]) {}

protected:
  int64_t keyTiles() const { return llvm::divideCeil(tokens, keys); }
  int64_t queryTiles() const { return llvm::divideCeil(tokens, queries); }
  int64_t paddedHead() const { return llvm::alignTo(headSize, e.width()); }
  double scale() const { return 1 / std::sqrt(double(headSize)); }

  /// Chooses the sample and head of the call.
  void enter(Value unit) {
    head = unit;
    Value sample = e.div(unit, heads);
    base = e.add(e.mul(sample, tokens * heads * headSize), e.mul(e.rem(unit, heads), headSize));
  }

  /// The head's columns of a (batch, tokens, d) tensor.
  Matrix matrixOf(Value tensor) { return {viewOf(tensor).memory, base, heads * headSize}; }
  Matrix inScratch(int64_t place, int64_t stride) { return {scratch, e.index(place), stride}; }

  Value number(double value) {
    return e.splat(arith::ConstantOp::create(e.b, e.loc, e.b.getF32FloatAttr(value)));
  }
  Value load(const Matrix &m, Value row, Value column) {
    return vector::LoadOp::create(e.b, e.loc, e.floats(), m.memory, place(m, row, column));
  }
  Value loadScalar(const Matrix &m, Value row, Value column) {
    return e.splat(memref::LoadOp::create(e.b, e.loc, m.memory, place(m, row, column)));
  }
  void store(const Matrix &m, Value row, Value column, Value value) {
    vector::StoreOp::create(e.b, e.loc, value, m.memory, place(m, row, column));
  }
  void storeLane(const Matrix &m, Value row, Value column, Value vector) {
    Value scalar = vector::ExtractOp::create(e.b, e.loc, vector, ArrayRef<int64_t>{0});
    memref::StoreOp::create(e.b, e.loc, scalar, m.memory, place(m, row, column));
  }
  /// Only the head's own columns: the neighbours are other heads'.
  void storeHead(const Matrix &m, Value row, Value column, Value value) {
    if (headSize % e.width() == 0)
      return store(m, row, column, value);
    vector::MaskedStoreOp::create(e.b, e.loc, m.memory, place(m, row, column),
                                  lanesBelow(column, e.index(headSize)), value);
  }
  Value lanesBelow(Value first, Value limit) {
    return vector::CreateMaskOp::create(e.b, e.loc, e.vectorOf(e.b.getI1Type()),
                                        ValueRange{e.sub(limit, first)});
  }

  Value add(Value a, Value c) { return arith::AddFOp::create(e.b, e.loc, a, c); }
  Value sub(Value a, Value c) { return arith::SubFOp::create(e.b, e.loc, a, c); }
  Value mul(Value a, Value c) { return arith::MulFOp::create(e.b, e.loc, a, c); }
  Value exp(Value a) { return math::ExpOp::create(e.b, e.loc, a); }

  /// A fold of the vectors of a row of `columns` elements (a multiple of the width), then of the
  /// lanes.
  Value foldRow(vector::CombiningKind kind, double neutral, int64_t columns,
                llvm::function_ref<Value(Value column)> element) {
    auto combine = [&](Value a, Value c) -> Value {
      if (kind == vector::CombiningKind::ADD)
        return add(a, c);
      return arith::MaximumFOp::create(e.b, e.loc, a, c);
    };
    auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.index(columns), e.index(e.width()),
                                   number(neutral));
    {
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(loop.getBody());
      scf::YieldOp::create(e.b, e.loc,
                           combine(loop.getRegionIterArg(0), element(loop.getInductionVar())));
    }
    auto flags = kind == vector::CombiningKind::ADD ? arith::FastMathFlags::reassoc
                                                    : arith::FastMathFlags::none;
    return e.splat(vector::ReductionOp::create(e.b, e.loc, kind, loop.getResult(0), flags));
  }

  /// The panel of tile `tile`, rows counted from the tile's first.
  Panel tilePanel(Value tile, int64_t perTile, Value &first) {
    Panel panel = e.panel(tile, tokens, perTile);
    first = panel.begin;
    panel.begin = e.index(0);
    return panel;
  }
  /// How many rows a panel has.
  Value countOf(const Panel &panel) {
    if (!panel.isLast)
      return e.index(panel.full);
    return arith::SelectOp::create(e.b, e.loc, panel.isLast, e.index(panel.last),
                                   e.index(panel.full));
  }

  /// into[c][j] = from[first + j][c] for the keys of a tile; keys past the last are copies of it.
  void emitTurned(const Matrix &from, Value first, const Matrix &into) {
    e.loop(e.index(0), e.index(keys), e.width(), [&](Value j) {
      for (int64_t c = 0; c < headSize; c += e.width()) {
        SmallVector<Value> lanes;
        for (int64_t r = 0; r < e.width(); ++r) {
          Value row = e.add(e.add(first, j), e.index(r));
          row = arith::MinUIOp::create(e.b, e.loc, row, e.index(tokens - 1));
          lanes.push_back(load(from, row, e.index(c)));
        }
        interleaveLanes(e, lanes);
        for (int64_t i = 0; i < std::min<int64_t>(e.width(), headSize - c); ++i)
          store(into, e.index(c + i), j, lanes[i]);
      }
    });
  }

  /// The value where the tile's column is a key, `otherwise` past the last key.
  Value whereKey(Value column, const Panel &keyRows, Value value, double otherwise) {
    if (!keyRows.isLast && keyRows.full == keys)
      return value;
    return arith::SelectOp::create(e.b, e.loc, lanesBelow(column, countOf(keyRows)), value,
                                   number(otherwise));
  }

  Emitter &e;
  ViewOf viewOf;
  Value scratch, head, base;
  int64_t batch, heads, tokens, headSize, queries, keys;

private:
  Value place(const Matrix &m, Value row, Value column) {
    return e.add(m.base, e.add(e.mul(row, m.stride), column));
  }
};

struct ForwardLayout : ScratchLayout {
  ForwardLayout(int64_t queries, int64_t keys, int64_t paddedHead)
      : turned(take(keys * paddedHead)), scores(take(queries * keys)),
        sums(take(queries * paddedHead)), largest(take(queries)), totals(take(queries)) {}
  int64_t turned, scores, sums, largest, totals;
};

class ForwardEmitter : AttentionEmitter {
public:
  ForwardEmitter(Emitter &e, kernel::AttentionOp op, ViewOf viewOf, Value scratch)
      : AttentionEmitter(e, op, viewOf, scratch), op(op), layout(queries, keys, paddedHead()) {}

  int64_t emit(Value call) {
    enter(e.div(call, queryTiles()));
    Value first;
    Panel rows = tilePanel(e.rem(call, queryTiles()), queries, first);
    query = matrixOf(op.getQuery()).from(e, first);
    scores = inScratch(layout.scores, keys);
    sums = inScratch(layout.sums, paddedHead());
    largest = inScratch(layout.largest, 1);
    totals = inScratch(layout.totals, 1);
    if (keyTiles() > 1)
      e.forRows(rows, 1, [&](Value row, int64_t) { emitReset(row); });
    e.loop(keyTiles(), [&](Value tile) { emitKeys(tile, rows); });
    e.forRows(rows, 1, [&](Value row, int64_t) { emitResult(row, first); });
    return batch * heads * queryTiles();
  }

private:
  void emitReset(Value row) {
    storeLane(largest, row, e.index(0), number(Lowest));
    storeLane(totals, row, e.index(0), number(0));
    e.loop(e.index(0), e.index(paddedHead()), e.width(),
           [&](Value c) { store(sums, row, c, number(0)); });
  }

  void emitKeys(Value tile, const Panel &rows) {
    Value first;
    Panel keyRows = tilePanel(tile, keys, first);
    Matrix turned = inScratch(layout.turned, keys);
    emitTurned(matrixOf(op.getKey()), first, turned);
    Product product{keys, e.index(headSize), query, false, turned, {}, {}};
    product.finish = [&](Value row, Value column, Value sum) {
      store(scores, row, column, whereKey(column, keyRows, mul(sum, number(scale())), Lowest));
    };
    emitProduct(e, rows, product);
    e.forRows(rows, 1, [&](Value row, int64_t) { emitSoftmax(row); });
    Product values{
        headSize, countOf(keyRows), scores, false, matrixOf(op.getValue()).from(e, first), {}, {}};
    if (keyTiles() > 1)
      values.start = [&](Value row, Value column) { return load(sums, row, column); };
    values.finish = [&](Value row, Value column, Value sum) { store(sums, row, column, sum); };
    emitProduct(e, rows, values);
  }

  /// Scores to exp(score - largest so far); what was summed before is scaled to the new largest.
  void emitSoftmax(Value row) {
    Value zero = e.index(0);
    Value most = foldRow(vector::CombiningKind::MAXIMUMF, Lowest, keys,
                         [&](Value c) { return load(scores, row, c); });
    Value before;
    if (keyTiles() > 1) {
      before = loadScalar(largest, row, zero);
      most = arith::MaximumFOp::create(e.b, e.loc, most, before);
    }
    Value total = foldRow(vector::CombiningKind::ADD, 0, keys, [&](Value c) {
      Value p = exp(sub(load(scores, row, c), most));
      store(scores, row, c, p);
      return p;
    });
    if (keyTiles() > 1) {
      Value factor = exp(sub(before, most));
      total = add(total, mul(loadScalar(totals, row, zero), factor));
      e.loop(e.index(0), e.index(paddedHead()), e.width(),
             [&](Value c) { store(sums, row, c, mul(load(sums, row, c), factor)); });
    }
    storeLane(largest, row, zero, most);
    storeLane(totals, row, zero, total);
  }

  void emitResult(Value row, Value first) {
    Matrix result = matrixOf(op.getResult()).from(e, first);
    Value total = loadScalar(totals, row, e.index(0));
    Value inverse = arith::DivFOp::create(e.b, e.loc, number(1), total);
    e.loop(e.index(0), e.index(paddedHead()), e.width(),
           [&](Value c) { storeHead(result, row, c, mul(load(sums, row, c), inverse)); });
    Matrix logsumexp{viewOf(op.getLogsumexp()).memory, e.mul(head, tokens), 1};
    Value log = math::LogOp::create(e.b, e.loc, total);
    storeLane(logsumexp, e.add(first, row), e.index(0),
              add(loadScalar(largest, row, e.index(0)), log));
  }

  kernel::AttentionOp op;
  ForwardLayout layout;
  Matrix query, scores, sums, largest, totals;
};

struct BackwardLayout : ScratchLayout {
  BackwardLayout(int64_t queries, int64_t keys, int64_t paddedHead)
      : turnedKeys(take(keys * paddedHead)), turnedValues(take(keys * paddedHead)),
        probabilities(take(queries * keys)), scoreGradients(take(queries * keys)),
        dots(take(queries)) {}
  int64_t turnedKeys, turnedValues, probabilities, scoreGradients, dots;
};

class BackwardEmitter : AttentionEmitter {
public:
  BackwardEmitter(Emitter &e, kernel::AttentionBackwardOp op, ViewOf viewOf, Value scratch)
      : AttentionEmitter(e, op, viewOf, scratch), op(op), layout(queries, keys, paddedHead()) {}

  int64_t emit(Value call) {
    enter(call);
    turnedKeys = inScratch(layout.turnedKeys, keys);
    turnedValues = inScratch(layout.turnedValues, keys);
    probabilities = inScratch(layout.probabilities, keys);
    scoreGradients = inScratch(layout.scoreGradients, keys);
    dots = inScratch(layout.dots, 1);
    for (Value gradient : {op.getKeyGradient(), op.getValueGradient()})
      emitZeros(matrixOf(gradient));
    if (keyTiles() > 1)
      emitZeros(matrixOf(op.getQueryGradient()));
    e.loop(keyTiles(), [&](Value tile) {
      Value first;
      Panel keyRows = tilePanel(tile, keys, first);
      emitTurned(matrixOf(op.getKey()), first, turnedKeys);
      emitTurned(matrixOf(op.getValue()), first, turnedValues);
      e.loop(queryTiles(), [&](Value queryTile) { emitTile(queryTile, keyRows, first); });
    });
    return batch * heads;
  }

private:
  void emitZeros(const Matrix &matrix) {
    e.loop(e.index(0), e.index(tokens), 1, [&](Value row) {
      for (int64_t c = 0; c < headSize; c += e.width())
        storeHead(matrix, row, e.index(c), number(0));
    });
  }

  /// One tile of queries against one of keys.
  void emitTile(Value queryTile, const Panel &keyRows, Value firstKey) {
    Value first;
    Panel rows = tilePanel(queryTile, queries, first);
    Matrix gradient = matrixOf(op.getGradient()).from(e, first);
    Matrix query = matrixOf(op.getQuery()).from(e, first);
    emitScores(rows, keyRows, first, query, gradient);
    // dv += p^T do, dk += ds^T q, dq += ds k
    accumulate(op.getValueGradient(), firstKey, keyRows, countOf(rows), probabilities, gradient);
    accumulate(op.getKeyGradient(), firstKey, keyRows, countOf(rows), scoreGradients, query);
    Matrix queryGradient = matrixOf(op.getQueryGradient()).from(e, first);
    Product product{headSize,
                    countOf(keyRows),
                    scoreGradients,
                    false,
                    matrixOf(op.getKey()).from(e, firstKey),
                    {},
                    {}};
    if (keyTiles() > 1)
      product.start = [&](Value row, Value column) { return load(queryGradient, row, column); };
    product.finish = [&](Value row, Value column, Value sum) {
      storeHead(queryGradient, row, column, sum);
    };
    emitProduct(e, rows, product);
  }

  /// p = exp(s - logsumexp) and ds = t p (do v^T - D) of the tile.
  void emitScores(const Panel &rows, const Panel &keyRows, Value first, const Matrix &query,
                  const Matrix &gradient) {
    Matrix logsumexp{viewOf(op.getLogsumexp()).memory, e.add(e.mul(head, tokens), first), 1};
    Matrix result = matrixOf(op.getResult()).from(e, first);
    e.forRows(rows, 1, [&](Value row, int64_t) { emitDot(row, gradient, result); });
    Product scores{keys, e.index(headSize), query, false, turnedKeys, {}, {}};
    scores.finish = [&](Value row, Value column, Value sum) {
      Value s = mul(sum, number(scale()));
      Value p = exp(sub(s, loadScalar(logsumexp, row, e.index(0))));
      store(probabilities, row, column, whereKey(column, keyRows, p, 0));
    };
    emitProduct(e, rows, scores);
    Product products{keys, e.index(headSize), gradient, false, turnedValues, {}, {}};
    products.finish = [&](Value row, Value column, Value sum) {
      Value p = mul(load(probabilities, row, column), number(scale()));
      store(scoreGradients, row, column, mul(p, sub(sum, loadScalar(dots, row, e.index(0)))));
    };
    emitProduct(e, rows, products);
  }

  /// D = sum_c do_c o_c of a row.
  void emitDot(Value row, const Matrix &gradient, const Matrix &result) {
    Value dot = foldRow(vector::CombiningKind::ADD, 0, paddedHead(), [&](Value c) -> Value {
      Value term = mul(load(gradient, row, c), load(result, row, c));
      if (headSize % e.width() == 0)
        return term;
      return arith::SelectOp::create(e.b, e.loc, lanesBelow(c, e.index(headSize)), term, number(0));
    });
    storeLane(dots, row, e.index(0), dot);
  }

  /// gradient[key] += sum over the tile's queries of left[query][key] right[query].
  void accumulate(Value gradient, Value firstKey, const Panel &keyRows, Value queryCount,
                  const Matrix &left, const Matrix &right) {
    Matrix into = matrixOf(gradient).from(e, firstKey);
    Product product{headSize, queryCount, left, true, right, {}, {}};
    product.start = [&](Value row, Value column) { return load(into, row, column); };
    product.finish = [&](Value row, Value column, Value sum) { storeHead(into, row, column, sum); };
    emitProduct(e, keyRows, product);
  }

  kernel::AttentionBackwardOp op;
  BackwardLayout layout;
  Matrix turnedKeys, turnedValues, probabilities, scoreGradients, dots;
};

} // namespace

int64_t danaus::cpu::attentionScratch(kernel::AttentionOp op, const Isa &isa) {
  auto tile = *op.getTile();
  return ForwardLayout(tile[0], tile[1], llvm::alignTo(op.getHeadSize(), isa.width)).size();
}

int64_t danaus::cpu::attentionScratch(kernel::AttentionBackwardOp op, const Isa &isa) {
  auto tile = *op.getTile();
  return BackwardLayout(tile[0], tile[1], llvm::alignTo(op.getHeadSize(), isa.width)).size();
}

int64_t danaus::cpu::emitAttention(Emitter &e, kernel::AttentionOp op, ViewOf viewOf, Value call,
                                   Value scratch) {
  return ForwardEmitter(e, op, viewOf, scratch).emit(call);
}

int64_t danaus::cpu::emitAttentionBackward(Emitter &e, kernel::AttentionBackwardOp op,
                                           ViewOf viewOf, Value call, Value scratch) {
  return BackwardEmitter(e, op, viewOf, scratch).emit(call);
}
