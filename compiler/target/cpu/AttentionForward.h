// What the two emitters of kernel.attention share, whichever unit multiplies: the running softmax
// of a row, and what becomes of its sums.
#pragma once

#include "compiler/target/cpu/AttentionEmitter.h"

namespace danaus::cpu {

class AttentionForward : protected AttentionEmitter {
protected:
  AttentionForward(Emitter &e, kernel::AttentionOp op, ViewOf viewOf, mlir::Value scratch)
      : AttentionEmitter(e, op, viewOf, scratch), op(op) {}

  void emitReset(mlir::Value row, const Matrix &sums) {
    storeLane(largest, row, e.index(0), number(Lowest));
    storeLane(totals, row, e.index(0), number(0));
    e.loop(e.index(0), e.index(paddedHead()), e.width(),
           [&](mlir::Value c) { store(sums, row, c, number(0)); });
  }

  /// Scores of a row's keys, from the first of the tile on, to exp(score - largest so far); those
  /// past the last key to 0. Returns what sums of earlier tiles are to be scaled by; null where
  /// there are none.
  mlir::Value softmax(mlir::Value row, llvm::MutableArrayRef<mlir::Value> held,
                      const Panel &keyRows) {
    mlir::Value zero = e.index(0);
    mlir::SmallVector<mlir::Value> isKey(held.size());
    int64_t fewest = keyRows.isLast ? std::min(keyRows.full, keyRows.last) : keyRows.full;
    for (auto [i, mask] : llvm::enumerate(isKey)) {
      if (int64_t((i + 1) * e.width()) <= fewest)
        continue;
      mask = lanesBelow(e.index(i * e.width()), countOf(keyRows));
      held[i] = mlir::arith::SelectOp::create(e.b, e.loc, mask, held[i], number(Lowest));
    }
    mlir::Value most = foldRow(&AttentionForward::larger, held);
    mlir::Value before;
    if (keyTiles() > 1) {
      before = loadScalar(largest, row, zero);
      most = larger(most, before);
    }
    for (auto [score, mask] : llvm::zip_equal(held, isKey)) {
      // Lanes past the last key take exp(0): an exp that vanishes costs more than a row.
      auto where = [&](mlir::Value value) -> mlir::Value {
        if (!mask)
          return value;
        return mlir::arith::SelectOp::create(e.b, e.loc, mask, value, number(0));
      };
      score = where(exp(where(sub(score, most))));
    }
    mlir::Value total = foldRow(&AttentionForward::add, held), factor;
    if (keyTiles() > 1) {
      factor = exp(sub(before, most));
      total = add(total, mul(loadScalar(totals, row, zero), factor));
    }
    storeLane(largest, row, zero, most);
    storeLane(totals, row, zero, total);
    return factor;
  }

  /// The result of a row, which is `sumsRow` in `sums`, and the logarithm of its total; query 0 of
  /// the tile is token `first`.
  void emitResult(mlir::Value row, const Matrix &sums, mlir::Value sumsRow, mlir::Value first) {
    Matrix result = matrixOf(op.getResult()).from(e, first);
    mlir::Value total = loadScalar(totals, row, e.index(0));
    mlir::Value inverse = mlir::arith::DivFOp::create(e.b, e.loc, number(1), total);
    e.loop(e.index(0), e.index(paddedHead()), e.width(),
           [&](mlir::Value c) { storeHead(result, row, c, mul(load(sums, sumsRow, c), inverse)); });
    Matrix logsumexp{viewOf(op.getLogsumexp()).memory, e.mul(head, tokens), 1};
    mlir::Value log = mlir::math::LogOp::create(e.b, e.loc, total);
    storeLane(logsumexp, e.add(first, row), e.index(0),
              add(loadScalar(largest, row, e.index(0)), log));
  }

  kernel::AttentionOp op;
  Matrix largest, totals; ///< of each row of the tile, so far
};

} // namespace danaus::cpu
