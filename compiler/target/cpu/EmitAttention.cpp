// kernel.attention: softmax over tiles of keys. See AttentionEmitter.h.
#include "compiler/target/cpu/AttentionForward.h"
#include "compiler/target/cpu/TileAttention.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

struct ForwardLayout : ScratchLayout {
  ForwardLayout(int64_t queries, int64_t keys, int64_t paddedHead)
      : turned(take(keys * paddedHead)), values(take(keys * paddedHead)),
        scores(take(queries * keys)), sums(take(queries * paddedHead)), largest(take(queries)),
        totals(take(queries)) {}
  int64_t turned, values, scores, sums, largest, totals;
};

class ForwardEmitter : AttentionForward {
public:
  ForwardEmitter(Emitter &e, kernel::AttentionOp op, ViewOf viewOf, Value scratch)
      : AttentionForward(e, op, viewOf, scratch), layout(queries, keys, paddedHead()) {}

  /// A call is a head where one tile holds all of its keys, otherwise a tile of its queries.
  int64_t emit(Value call) {
    turned = inScratch(layout.turned, keys);
    values = inScratch(layout.values, paddedHead());
    scores = inScratch(layout.scores, keys);
    sums = inScratch(layout.sums, paddedHead());
    largest = inScratch(layout.largest, 1);
    totals = inScratch(layout.totals, 1);
    if (keyTiles() == 1) {
      enter(call);
      Panel keyRows = prepareKeys(e.index(0));
      e.loop(queryTiles(), [&](Value tile) {
        enterQueries(tile);
        emitKeys(keyRows);
        emitResults();
      });
      return batch * heads;
    }
    enter(e.div(call, queryTiles()));
    enterQueries(e.rem(call, queryTiles()));
    e.forRows(rows, 1, [&](Value row, int64_t) { emitReset(row, sums); });
    e.loop(keyTiles(), [&](Value tile) { emitKeys(prepareKeys(tile)); });
    emitResults();
    return batch * heads * queryTiles();
  }

private:
  void enterQueries(Value tile) {
    rows = tilePanel(tile, queries, firstQuery);
    query = matrixOf(op.getQuery()).from(e, firstQuery);
  }

  Panel prepareKeys(Value tile) {
    Value first;
    Panel keyRows = tilePanel(tile, keys, first);
    emitTurned(matrixOf(op.getKey()), first, turned);
    emitCopy(matrixOf(op.getValue()), first, countOf(keyRows), values);
    return keyRows;
  }

  void emitKeys(const Panel &keyRows) {
    Product product{keys, e.index(headSize), query, false, turned, {}, {}};
    product.finish = [&](Value row, Value column, Value sum) {
      store(scores, row, column, mul(sum, number(scale())));
    };
    product.ask = askAhead(firstQuery, {{op.getQuery(), false}, {op.getKey(), false}});
    emitProduct(e, rows, product);
    e.forRows(rows, 1, [&](Value row, int64_t) { emitSoftmax(row, keyRows); });
    Product weighted{headSize, countOf(keyRows), scores, false, values, {}, {}};
    if (keyTiles() > 1)
      weighted.start = [&](Value row, Value column) { return load(sums, row, column); };
    weighted.finish = [&](Value row, Value column, Value sum) { store(sums, row, column, sum); };
    weighted.ask = askAhead(firstQuery, {{op.getValue(), false}, {op.getResult(), true}});
    emitProduct(e, rows, weighted);
  }

  /// Scores to probabilities; what was summed before is scaled to the new largest.
  void emitSoftmax(Value row, const Panel &keyRows) {
    SmallVector<Value> held; // 256 keys are 16 registers of AVX-512
    for (int64_t column = 0; column < keys; column += e.width())
      held.push_back(load(scores, row, e.index(column)));
    Value factor = softmax(row, held, keyRows);
    for (auto [i, probability] : llvm::enumerate(held))
      store(scores, row, e.index(i * e.width()), probability);
    if (factor)
      e.loop(e.index(0), e.index(paddedHead()), e.width(),
             [&](Value c) { store(sums, row, c, mul(load(sums, row, c), factor)); });
  }

  void emitResults() {
    e.forRows(rows, 1, [&](Value row, int64_t) { emitResult(row, sums, row, firstQuery); });
  }

  ForwardLayout layout;
  Panel rows;
  Value firstQuery;
  Matrix query, turned, values, scores, sums;
};

} // namespace

int64_t danaus::cpu::attentionScratch(kernel::AttentionOp op, const Isa &isa) {
  if (op.getMatrixUnit())
    return tileAttentionScratch(op);
  auto tile = *op.getTile();
  return ForwardLayout(tile[0], tile[1], llvm::alignTo(op.getHeadSize(), isa.width)).size();
}

int64_t danaus::cpu::emitAttention(Emitter &e, kernel::AttentionOp op, ViewOf viewOf, Value call,
                                   MatrixMemory memory) {
  if (op.getMatrixUnit())
    return emitTileAttention(e, op, viewOf, call, memory);
  return ForwardEmitter(e, op, viewOf, memory.floats).emit(call);
}
