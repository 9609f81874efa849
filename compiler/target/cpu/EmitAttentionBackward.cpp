// kernel.attention_backward. See AttentionEmitter.h.
#include "compiler/target/cpu/TileAttention.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

struct BackwardLayout : ScratchLayout {
  BackwardLayout(int64_t queries, int64_t keys, int64_t paddedHead)
      : turnedKeys(take(keys * paddedHead)), turnedValues(take(keys * paddedHead)),
        keyRows(take(keys * paddedHead)), queryRows(take(queries * paddedHead)),
        gradientRows(take(queries * paddedHead)), probabilities(take(queries * keys)),
        scoreGradients(take(queries * keys)), dots(take(queries)) {}
  int64_t turnedKeys, turnedValues, keyRows, queryRows, gradientRows, probabilities, scoreGradients,
      dots;
};

class BackwardEmitter : AttentionEmitter {
public:
  BackwardEmitter(Emitter &e, kernel::AttentionBackwardOp op, ViewOf viewOf, Value scratch)
      : AttentionEmitter(e, op, viewOf, scratch), op(op), layout(queries, keys, paddedHead()) {}

  int64_t emit(Value call) {
    enter(call);
    turnedKeys = inScratch(layout.turnedKeys, keys);
    turnedValues = inScratch(layout.turnedValues, keys);
    copiedKeys = inScratch(layout.keyRows, paddedHead());
    query = inScratch(layout.queryRows, paddedHead());
    gradient = inScratch(layout.gradientRows, paddedHead());
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
      emitCopy(matrixOf(op.getKey()), first, countOf(keyRows), copiedKeys);
      e.loop(queryTiles(), [&](Value queryTile) { emitTile(queryTile, keyRows, first); });
    });
    return batch * heads;
  }

private:
  /// One tile of queries against one of keys.
  void emitTile(Value queryTile, const Panel &keyRows, Value firstKey) {
    Value first;
    Panel rows = tilePanel(queryTile, queries, first);
    emitCopy(matrixOf(op.getQuery()), first, countOf(rows), query);
    emitCopy(matrixOf(op.getGradient()), first, countOf(rows), gradient);
    emitScores(rows, first);
    // dv += p^T do, dk += ds^T q, dq += ds k
    accumulate(op.getValueGradient(), firstKey, keyRows, countOf(rows), probabilities, gradient,
               askAhead(first, {{op.getValue(), false}}));
    accumulate(op.getKeyGradient(), firstKey, keyRows, countOf(rows), scoreGradients, query,
               askAhead(first, {{op.getKey(), false}}));
    Matrix queryGradient = matrixOf(op.getQueryGradient()).from(e, first);
    Product product{headSize, countOf(keyRows), scoreGradients, false, copiedKeys, {}, {}};
    if (keyTiles() > 1)
      product.start = [&](Value row, Value column) { return load(queryGradient, row, column); };
    product.finish = [&](Value row, Value column, Value sum) {
      storeHead(queryGradient, row, column, sum);
    };
    product.ask = askAhead(first, {{op.getKeyGradient(), true}, {op.getValueGradient(), true}});
    emitProduct(e, rows, product);
  }

  /// p = exp(s - logsumexp) and ds = t p (do v^T - D) of the tile; columns past the last key hold
  /// finite numbers that nothing reads.
  void emitScores(const Panel &rows, Value first) {
    Matrix logsumexp{viewOf(op.getLogsumexp()).memory, e.add(e.mul(head, tokens), first), 1};
    Matrix result = matrixOf(op.getResult()).from(e, first);
    e.forRows(rows, 1, [&](Value row, int64_t) { // D = sum_c do_c o_c
      auto same = [](Value value) { return value; };
      storeLane(dots, row, e.index(0), dotOf(gradient, result, row, same));
    });
    Product scores{keys, e.index(headSize), query, false, turnedKeys, {}, {}};
    scores.finish = [&](Value row, Value column, Value sum) {
      Value s = mul(sum, number(scale()));
      Value p = exp(sub(s, loadScalar(logsumexp, row, e.index(0))));
      store(probabilities, row, column, p);
    };
    scores.ask = askAhead(first, {{op.getQuery(), false}, {op.getGradient(), false}});
    emitProduct(e, rows, scores);
    Product products{keys, e.index(headSize), gradient, false, turnedValues, {}, {}};
    products.finish = [&](Value row, Value column, Value sum) {
      Value p = mul(load(probabilities, row, column), number(scale()));
      store(scoreGradients, row, column, mul(p, sub(sum, loadScalar(dots, row, e.index(0)))));
    };
    products.ask = askAhead(first, {{op.getResult(), false}, {op.getQueryGradient(), true}});
    emitProduct(e, rows, products);
  }

  /// gradient[key] += sum over the tile's queries of left[query][key] right[query].
  void accumulate(Value gradient, Value firstKey, const Panel &keyRows, Value queryCount,
                  const Matrix &left, const Matrix &right, std::function<void(Value)> ask) {
    Matrix into = matrixOf(gradient).from(e, firstKey);
    Product product{headSize, queryCount, left, true, right, {}, {}};
    product.start = [&](Value row, Value column) { return load(into, row, column); };
    product.finish = [&](Value row, Value column, Value sum) { storeHead(into, row, column, sum); };
    product.ask = std::move(ask);
    emitProduct(e, keyRows, product);
  }

  kernel::AttentionBackwardOp op;
  BackwardLayout layout;
  Matrix turnedKeys, turnedValues, copiedKeys, query, gradient, probabilities, scoreGradients, dots;
};

} // namespace

int64_t danaus::cpu::attentionScratch(kernel::AttentionBackwardOp op, const Isa &isa) {
  if (op.getMatrixUnit())
    return tileAttentionScratch(op);
  auto tile = *op.getTile();
  return BackwardLayout(tile[0], tile[1], llvm::alignTo(op.getHeadSize(), isa.width)).size();
}

int64_t danaus::cpu::emitAttentionBackward(Emitter &e, kernel::AttentionBackwardOp op,
                                           ViewOf viewOf, Value call, MatrixMemory memory) {
  if (op.getMatrixUnit())
    return emitTileAttentionBackward(e, op, viewOf, call, memory);
  return BackwardEmitter(e, op, viewOf, memory.floats).emit(call);
}
