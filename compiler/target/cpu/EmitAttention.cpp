// kernel.attention: softmax over tiles of keys. See AttentionEmitter.h.
#include "compiler/target/cpu/AttentionEmitter.h"

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

class ForwardEmitter : AttentionEmitter {
public:
  ForwardEmitter(Emitter &e, kernel::AttentionOp op, ViewOf viewOf, Value scratch)
      : AttentionEmitter(e, op, viewOf, scratch), op(op), layout(queries, keys, paddedHead()) {}

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
    e.forRows(rows, 1, [&](Value row, int64_t) { emitReset(row); });
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

  void emitReset(Value row) {
    storeLane(largest, row, e.index(0), number(Lowest));
    storeLane(totals, row, e.index(0), number(0));
    e.loop(e.index(0), e.index(paddedHead()), e.width(),
           [&](Value c) { store(sums, row, c, number(0)); });
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

  /// Scores to exp(score - largest so far); what was summed before is scaled to the new largest.
  void emitSoftmax(Value row, const Panel &keyRows) {
    Value zero = e.index(0);
    SmallVector<Value> held, isKey(keys / e.width()); // 256 keys are 16 registers of AVX-512
    for (auto [i, mask] : llvm::enumerate(isKey)) {
      Value column = e.index(i * e.width());
      held.push_back(load(scores, row, column));
      if (int64_t((i + 1) * e.width()) <= fewestKeys(keyRows))
        continue;
      mask = lanesBelow(column, countOf(keyRows));
      held[i] = arith::SelectOp::create(e.b, e.loc, mask, held[i], number(Lowest));
    }
    Value most = foldRow(&ForwardEmitter::larger, held);
    Value before;
    if (keyTiles() > 1) {
      before = loadScalar(largest, row, zero);
      most = larger(most, before);
    }
    for (auto [score, mask, i] : llvm::zip_equal(held, isKey, llvm::seq(held.size()))) {
      // Lanes past the last key take exp(0): an exp that vanishes costs more than a row.
      auto where = [&](Value value) {
        return mask ? arith::SelectOp::create(e.b, e.loc, mask, value, number(0)) : value;
      };
      score = where(exp(where(sub(score, most))));
      store(scores, row, e.index(i * e.width()), score);
    }
    Value total = foldRow(&ForwardEmitter::add, held);
    if (keyTiles() > 1) {
      Value factor = exp(sub(before, most));
      total = add(total, mul(loadScalar(totals, row, zero), factor));
      e.loop(e.index(0), e.index(paddedHead()), e.width(),
             [&](Value c) { store(sums, row, c, mul(load(sums, row, c), factor)); });
    }
    storeLane(largest, row, zero, most);
    storeLane(totals, row, zero, total);
  }

  int64_t fewestKeys(const Panel &keyRows) {
    return keyRows.isLast ? std::min(keyRows.full, keyRows.last) : keyRows.full;
  }

  void emitResults() {
    e.forRows(rows, 1, [&](Value row, int64_t) { emitResult(row, firstQuery); });
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
  Panel rows;
  Value firstQuery;
  Matrix query, turned, values, scores, sums, largest, totals;
};

} // namespace

int64_t danaus::cpu::attentionScratch(kernel::AttentionOp op, const Isa &isa) {
  auto tile = *op.getTile();
  return ForwardLayout(tile[0], tile[1], llvm::alignTo(op.getHeadSize(), isa.width)).size();
}

int64_t danaus::cpu::emitAttention(Emitter &e, kernel::AttentionOp op, ViewOf viewOf, Value call,
                                   Value scratch) {
  return ForwardEmitter(e, op, viewOf, scratch).emit(call);
}
