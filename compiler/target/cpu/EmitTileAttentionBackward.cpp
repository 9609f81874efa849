// kernel.attention_backward on the matrix unit: blocks of 32 keys against a tile of queries. Scores
// and their gradients are computed with a row for each key, S^T = K Q^T: then the rows of a block
// are, as they are, a lhs of dV = P^T dO and dK = dS^T Q, whose sums are complete after the block.
// Only dQ = dS K needs them turned, for all keys of the tile. Where a tile of queries or keys ends,
// its operands are zeros, and so are gradients of scores: nothing there counts.
#include "compiler/target/cpu/TileAttention.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

struct BackwardLayout : TileLayout {
  explicit BackwardLayout(kernel::AttentionBackwardOp op)
      : TileLayout(op), keyRows(takeTiles(keys, headDepths)),
        keyPairs(takeTiles(paddedHead, keys / MatrixDepth)), valueRows(takeTiles(keys, headDepths)),
        turnedQueries(takeTiles(queries, headDepths)),
        queryPairs(takeTiles(paddedHead, queries / MatrixDepth)),
        turnedGradients(takeTiles(queries, headDepths)),
        gradientPairs(takeTiles(paddedHead, queries / MatrixDepth)),
        weights(takeTiles(BlockRows, queries / MatrixDepth)),
        slopes(takeTiles(BlockRows, queries / MatrixDepth)),
        turnedSlopes(takeTiles(queries, keys / MatrixDepth)),
        scores(take(BlockRows * BlockColumns)), products(take(BlockRows * BlockColumns)),
        sums(take(BlockRows * paddedHead)), logsumexp(take(queries)), dots(take(queries)) {}
  TiledOperand keyRows, keyPairs, valueRows, turnedQueries, queryPairs, turnedGradients,
      gradientPairs;
  TiledOperand weights, slopes; ///< P^T and dS^T of a block of keys
  TiledOperand turnedSlopes;    ///< dS
  int64_t scores, products, sums, logsumexp, dots;
};

/// Results of more bytes than this are not in a second-level cache when the next kernel reads them.
constexpr int64_t cachedBytes = 8 << 20;

class BackwardEmitter : AttentionEmitter {
public:
  BackwardEmitter(Emitter &e, kernel::AttentionBackwardOp op, ViewOf viewOf, MatrixMemory memory)
      : AttentionEmitter(e, op, viewOf, memory.floats), op(op), layout(op), unit(e, memory) {}

  int64_t emit(Value call) {
    enter(call);
    scores = inScratch(layout.scores, BlockColumns);
    products = inScratch(layout.products, BlockColumns);
    sums = inScratch(layout.sums, paddedHead());
    logsumexp = inScratch(layout.logsumexp, 1);
    dots = inScratch(layout.dots, 1);
    unit.configure(layout.config);
    if (queryTiles() > 1)
      for (Value gradient : {op.getKeyGradient(), op.getValueGradient()})
        emitZeros(matrixOf(gradient));
    if (keyTiles() > 1)
      emitZeros(matrixOf(op.getQueryGradient()));
    e.loop(keyTiles(), [&](Value tile) {
      keyPanel = tilePanel(tile, keys, firstKey);
      Matrix key = matrixOf(op.getKey()).from(e, firstKey),
             value = matrixOf(op.getValue()).from(e, firstKey);
      e.forRows(keyPanel, BlockRows, [&](Value row, int64_t count) {
        unit.stage(key, row, count, headSize, {.rows = &layout.keyRows, .pairs = &layout.keyPairs});
        unit.stage(value, row, count, headSize, {.rows = &layout.valueRows});
      });
      e.loop(queryTiles(), [&](Value queryTile) { emitQueries(queryTile); });
    });
    unit.release();
    if (streams()) // such stores are seen before the call is counted as done
      LLVM::FenceOp::create(e.b, e.loc, LLVM::AtomicOrdering::seq_cst);
    return batch * heads;
  }

private:
  void emitQueries(Value tile) {
    queryPanel = tilePanel(tile, queries, firstQuery);
    prepareQueries();
    e.forRows(keyPanel, BlockRows, [&](Value row, int64_t count) { emitKeys(row, count); });
    Matrix gradient = matrixOf(op.getQueryGradient()).from(e, firstQuery);
    e.forRows(queryPanel, BlockRows, [&](Value row, int64_t count) {
      emitGradient(layout.turnedSlopes, e.div(row, MatrixTile), count, layout.keyPairs,
                   stepsOf(keyPanel), gradient.from(e, row), scale(), keyTiles() > 1);
    });
  }

  void prepareQueries() {
    Matrix query = matrixOf(op.getQuery()).from(e, firstQuery),
           result = matrixOf(op.getResult()).from(e, firstQuery),
           gradient = matrixOf(op.getGradient()).from(e, firstQuery);
    Matrix total{viewOf(op.getLogsumexp()).memory, e.add(e.mul(head, tokens), firstQuery), 1};
    Value zero = e.index(0);
    e.loop(zero, e.index(layout.queries), MatrixTile, [&](Value row) {
      Value isQuery = lanesBelow(row, countOf(queryPanel));
      store(logsumexp, row, zero, loadWhere(isQuery, total, row));
      store(dots, row, zero, number(0));
    });
    e.forRows(queryPanel, BlockRows, [&](Value row, int64_t count) {
      unit.stage(query, row, count, headSize,
                 {.turned = &layout.turnedQueries, .pairs = &layout.queryPairs});
      unit.stage(gradient, row, count, headSize,
                 {.turned = &layout.turnedGradients, .pairs = &layout.gradientPairs});
    });
    // D = sum_c do_c o_c, of the gradient as the products have it: what is left of dP - D is small.
    e.forRows(queryPanel, 1, [&](Value row, int64_t) {
      storeLane(dots, row, zero,
                dotOf(gradient, result, row, [&](Value value) { return asMultiplied(value); }));
    });
  }

  Value loadWhere(Value mask, const Matrix &from, Value row) {
    return vector::MaskedLoadOp::create(e.b, e.loc, e.floats(), from.memory, e.add(from.base, row),
                                        mask, number(0));
  }

  /// Whether results are stored around the caches, in whole lines: a store into a cache first reads
  /// the line that it overwrites.
  bool streams() const {
    int64_t results = 3 * batch * tokens * heads * headSize;
    return headSize % MatrixTile == 0 && int64_t(sizeof(float)) * results > cachedBytes;
  }

  Value asMultiplied(Value value) {
    Value rounded = arith::TruncFOp::create(e.b, e.loc, e.vectorOf(e.b.getBF16Type()), value);
    return e.widened(rounded);
  }

  Value stepsOf(const Panel &panel) {
    return e.div(e.add(countOf(panel), e.index(MatrixDepth - 1)), MatrixDepth);
  }

  /// A block of keys: P^T and dS^T, dv += P^T do, dk += dS^T q.
  void emitKeys(Value row, int64_t count) {
    e.forRows(queryPanel, BlockRows, [&](Value queryRow, int64_t queryCount) {
      emitScores(row, count, queryRow, queryCount);
    });
    auto gradientOf = [&](Value tensor) { return matrixOf(tensor).from(e, e.add(firstKey, row)); };
    emitGradient(layout.weights, e.index(0), count, layout.gradientPairs, stepsOf(queryPanel),
                 gradientOf(op.getValueGradient()), 1, queryTiles() > 1);
    emitGradient(layout.slopes, e.index(0), count, layout.queryPairs, stepsOf(queryPanel),
                 gradientOf(op.getKeyGradient()), scale(), queryTiles() > 1);
  }

  /// p = exp(s - logsumexp) and ds = p (do v^T - D) of a block of keys and a block of queries.
  void emitScores(Value row, int64_t count, Value queryRow, int64_t queryCount) {
    int64_t rowTiles = llvm::divideCeil(count, MatrixTile),
            tiles = llvm::divideCeil(queryCount, MatrixTile);
    Value rowTile = e.div(row, MatrixTile), tile = e.div(queryRow, MatrixTile);
    Value step = e.div(queryRow, MatrixDepth), zero = e.index(0),
          depths = e.index(layout.headDepths);
    unit.multiply(layout.keyRows, rowTile, rowTiles, layout.turnedQueries, tile, tiles, depths,
                  scores.base, BlockColumns);
    unit.multiply(layout.valueRows, rowTile, rowTiles, layout.turnedGradients, tile, tiles, depths,
                  products.base, BlockColumns);
    SmallVector<Value> totals, rowDots;
    for (int64_t i = 0; i < tiles; ++i) {
      Value own = e.add(queryRow, e.index(i * MatrixTile));
      totals.push_back(load(logsumexp, own, zero));
      rowDots.push_back(load(dots, own, zero));
    }
    e.loop(zero, e.index(count), 1, [&](Value r) {
      SmallVector<Value> p(2, number(0)), ds(2, number(0));
      for (int64_t i = 0; i < tiles; ++i) {
        Value column = e.index(i * MatrixTile);
        Value s = mul(load(scores, r, column), number(scale()));
        p[i] = exp(sub(s, totals[i]));
        ds[i] = mul(p[i], sub(load(products, r, column), rowDots[i]));
      }
      unit.storeRow(layout.weights, r, step, p[0], p[1]);
      unit.storeRow(layout.slopes, r, step, ds[0], ds[1]);
      if (keyTiles() == 1 && queryTiles() == 1)
        askNextHead(e.add(row, r), step);
    });
    unit.turnBlock(layout.slopes, step, count, layout.turnedSlopes, tile, tiles,
                   e.div(row, MatrixDepth));
  }

  /// into = factor * lhs rhs, or what is there and that, for `count` rows.
  void emitGradient(const TiledOperand &lhs, Value rowTile, int64_t count, const TiledOperand &rhs,
                    Value depth, const Matrix &into, double factor, bool adds) {
    unit.multiplyColumns(lhs, rowTile, llvm::divideCeil(count, MatrixTile), rhs,
                         paddedHead() / MatrixTile, depth, sums.base, paddedHead());
    e.loop(e.index(0), e.index(count), 1, [&](Value r) {
      for (int64_t c = 0; c < headSize; c += MatrixTile) {
        Value column = e.index(c), sum = load(sums, r, column);
        if (factor != 1)
          sum = mul(sum, number(factor));
        if (adds || !streams())
          storeHead(into, r, column, adds ? add(sum, load(into, r, column)) : sum);
        else
          storeAroundCaches(into, r, column, sum);
      }
    });
  }

  /// Row `row` of the keys and block `block` of the queries asks for what the next head reads: line
  /// by line, columns behind this one's. Not for what it writes: measured, that only delays reads.
  void askNextHead(Value row, Value block) {
    int64_t lines = llvm::divideCeil(headSize, MatrixTile),
            blocks = llvm::divideCeil(tokens, BlockRows);
    Value turn = e.add(e.mul(e.div(row, BlockRows), blocks), block);
    turn = e.add(e.mul(turn, BlockRows), e.rem(row, BlockRows));
    int64_t perTurn = llvm::divideCeil(tokens * lines, tokens * blocks);
    for (int64_t i = 0; i < perTurn; ++i) {
      Value line = e.add(e.mul(turn, perTurn), e.index(i));
      Value token = arith::MinUIOp::create(e.b, e.loc, e.div(line, lines), e.index(tokens - 1));
      Value column = e.add(e.mul(e.rem(line, lines), MatrixTile), e.index(headSize));
      for (Value read :
           {op.getQuery(), op.getKey(), op.getValue(), op.getResult(), op.getGradient()})
        ask(matrixOf(read), token, column, false);
    }
  }

  kernel::AttentionBackwardOp op;
  BackwardLayout layout;
  TileProducts unit;
  Panel keyPanel, queryPanel;
  Value firstKey, firstQuery;
  Matrix scores, products, sums, logsumexp, dots;
};

} // namespace

int64_t danaus::cpu::tileAttentionScratch(kernel::AttentionBackwardOp op) {
  return BackwardLayout(op).size();
}

int64_t danaus::cpu::emitTileAttentionBackward(Emitter &e, kernel::AttentionBackwardOp op,
                                               ViewOf viewOf, Value call, MatrixMemory memory) {
  return BackwardEmitter(e, op, viewOf, memory).emit(call);
}
