// kernel.attention on the matrix unit: blocks of 32 queries against a tile of keys. Keys lie turned
// and values in pairs for all blocks; a block's scores are rows in scratch for the softmax, which
// makes tiles of them again.
#include "compiler/target/cpu/AttentionForward.h"
#include "compiler/target/cpu/TileAttention.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

struct ForwardLayout : TileLayout {
  explicit ForwardLayout(kernel::AttentionOp op)
      : TileLayout(op), turnedKeys(takeTiles(keys, headDepths)),
        valuePairs(takeTiles(paddedHead, keys / MatrixDepth)),
        queryRows(takeTiles(BlockRows, headDepths)),
        probabilities(takeTiles(BlockRows, keys / MatrixDepth)), scores(take(BlockRows * keys)),
        products(take(BlockRows * paddedHead)), sums(take(queries * paddedHead)),
        factors(take(BlockRows)), largest(take(queries)), totals(take(queries)) {}
  TiledOperand turnedKeys, valuePairs, queryRows, probabilities;
  int64_t scores, products, sums, factors, largest, totals;
};

class ForwardEmitter : AttentionForward {
public:
  ForwardEmitter(Emitter &e, kernel::AttentionOp op, ViewOf viewOf, MatrixMemory memory)
      : AttentionForward(e, op, viewOf, memory.floats), layout(op), unit(e, memory) {}

  /// A call is a head where one tile holds all of its keys, otherwise a tile of its queries.
  int64_t emit(Value call) {
    scores = inScratch(layout.scores, keys);
    products = inScratch(layout.products, paddedHead());
    sums = inScratch(layout.sums, paddedHead());
    factors = inScratch(layout.factors, 1);
    largest = inScratch(layout.largest, 1);
    totals = inScratch(layout.totals, 1);
    unit.configure(layout.config);
    int64_t tilesPerCall = keyTiles() == 1 ? queryTiles() : 1;
    int64_t callsPerHead = queryTiles() / tilesPerCall;
    enter(e.div(call, callsPerHead));
    if (keyTiles() == 1) {
      Panel keyRows = prepareKeys(e.index(0));
      e.loop(queryTiles(), [&](Value tile) {
        enterQueries(tile);
        emitKeys(keyRows);
      });
    } else {
      enterQueries(e.rem(call, callsPerHead));
      e.forRows(rows, 1, [&](Value row, int64_t) { emitReset(row, sums); });
      e.loop(keyTiles(), [&](Value tile) { emitKeys(prepareKeys(tile)); });
      e.forRows(rows, 1, [&](Value row, int64_t) { emitResult(row, sums, row, firstQuery); });
    }
    unit.release();
    return batch * heads * callsPerHead;
  }

private:
  void enterQueries(Value tile) { rows = tilePanel(tile, queries, firstQuery); }

  Panel prepareKeys(Value tile) {
    Value first;
    Panel keyRows = tilePanel(tile, keys, first);
    Matrix key = matrixOf(op.getKey()).from(e, first),
           value = matrixOf(op.getValue()).from(e, first);
    e.forRows(keyRows, BlockRows, [&](Value row, int64_t count) {
      unit.stage(key, row, count, headSize, {.turned = &layout.turnedKeys});
      unit.stage(value, row, count, headSize, {.pairs = &layout.valuePairs});
    });
    return keyRows;
  }

  void emitKeys(const Panel &keyRows) {
    Matrix query = matrixOf(op.getQuery()).from(e, firstQuery);
    Value zero = e.index(0),
          steps = e.div(e.add(countOf(keyRows), e.index(MatrixDepth - 1)), MatrixDepth);
    e.forRows(rows, BlockRows, [&](Value row, int64_t count) {
      int64_t rowTiles = llvm::divideCeil(count, MatrixTile);
      unit.stage(query.from(e, row), zero, count, headSize, {.rows = &layout.queryRows});
      unit.multiplyColumns(layout.queryRows, zero, rowTiles, layout.turnedKeys, scoreTiles(),
                           e.index(layout.headDepths), scores.base, keys);
      e.loop(e.index(0), e.index(count), 1,
             [&](Value r) { emitSoftmax(r, e.add(row, r), keyRows); });
      unit.multiplyColumns(layout.probabilities, zero, rowTiles, layout.valuePairs,
                           paddedHead() / MatrixTile, steps, products.base, paddedHead());
      e.loop(e.index(0), e.index(count), 1, [&](Value r) {
        if (keyTiles() == 1) {
          emitResult(e.add(row, r), products, r, firstQuery);
          askRow(e.add(row, r), {{op.getValue(), false}, {op.getResult(), true}});
        } else {
          addProducts(r, e.add(row, r));
        }
      });
    });
  }

  /// Tiles of 16 keys; of a short last tile of keys, all: none of the others counts.
  int64_t scoreTiles() { return llvm::divideCeil(std::min(tokens, keys), MatrixTile); }

  void emitSoftmax(Value r, Value row, const Panel &keyRows) {
    SmallVector<Value> held;
    for (int64_t i = 0; i < scoreTiles(); ++i)
      held.push_back(mul(load(scores, r, e.index(i * MatrixTile)), number(scale())));
    if (Value factor = softmax(row, held, keyRows))
      storeLane(factors, r, e.index(0), factor);
    if (held.size() % 2)
      held.push_back(number(0));
    for (size_t i = 0; i < held.size(); i += 2)
      unit.storeRow(layout.probabilities, r, e.index(i / 2), held[i], held[i + 1]);
    if (keyTiles() == 1)
      askRow(row, {{op.getQuery(), false}, {op.getKey(), false}});
  }

  void addProducts(Value r, Value row) {
    Value factor = loadScalar(factors, r, e.index(0));
    for (int64_t c = 0; c < paddedHead(); c += MatrixTile) {
      Value column = e.index(c);
      store(sums, row, column,
            e.multiplyAdd(load(sums, row, column), factor, load(products, r, column)));
    }
  }

  /// Asks for a row of the next head, whose columns lie behind this one's.
  void askRow(Value row, ArrayRef<Ahead> tensors) {
    for (const Ahead &ahead : tensors)
      for (int64_t c = 0; c < headSize; c += MatrixTile)
        ask(matrixOf(ahead.tensor).from(e, firstQuery), row, e.index(headSize + c),
            ahead.isWritten);
  }

  ForwardLayout layout;
  TileProducts unit;
  Panel rows;
  Value firstQuery;
  Matrix scores, products, sums, factors;
};

} // namespace

int64_t danaus::cpu::tileAttentionScratch(kernel::AttentionOp op) {
  return ForwardLayout(op).size();
}

int64_t danaus::cpu::emitTileAttention(Emitter &e, kernel::AttentionOp op, ViewOf viewOf,
                                       Value call, MatrixMemory memory) {
  return ForwardEmitter(e, op, viewOf, memory).emit(call);
}
