// A small matrix product inside a kernel, register-tiled like kernel.contract: what the tiles of
// attention are made of.
#pragma once

#include "compiler/target/cpu/Emitter.h"

namespace danaus::cpu {

/// A row-major matrix in memory: element (r, c) lies at base + r * stride + c.
struct Matrix {
  mlir::Value memory, base;
  int64_t stride = 0;

  /// The same matrix from row `row` on.
  Matrix from(Emitter &e, mlir::Value row) const {
    return {memory, e.add(base, e.mul(row, stride)), stride};
  }
};

/// sum_k left(row, k) * right(k, column), for the rows of a panel and all columns. Vectors of the
/// last columns may reach past `columns` (up to a whole vector): `finish` masks what it stores.
struct Product {
  int64_t columns = 0;
  mlir::Value depth; ///< how many k
  Matrix left;
  bool leftTransposed = false; ///< left(row, k) is element (k, row)
  Matrix right;
  /// The sum's beginning at (row, column); null: zero.
  std::function<mlir::Value(mlir::Value row, mlir::Value column)> start;
  /// Takes the sum of `width` columns from `column` on.
  std::function<void(mlir::Value row, mlir::Value column, mlir::Value sum)> finish;
  /// Called in every turn of the loops over k with the turn's number in the product (short loops
  /// leave numbers out): the place to ask for what is needed later. Null: nothing is asked for.
  std::function<void(mlir::Value turn)> ask = nullptr;
};

/// Rows are counted as the panel counts them; `left`'s row 0 is the panel's row 0 (not its begin).
void emitProduct(Emitter &e, const Panel &rows, const Product &product);

} // namespace danaus::cpu
