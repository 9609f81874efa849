// A structured weight as independent products of two small matrices: W[rows, columns] = second
// first, one for a low-rank weight, N x N for Monarch, each with places of its own in the two
// tensors; a block-diagonal weight has N parts that are no products: W[rows, columns] = first. What
// is written once for such a product (multiplying out, the nearest one, gradients) holds for every
// structure. Private to this room.
#pragma once

#include "runtime/structure/LinearWeights.h"

namespace danaus {

/// Where the parts of one product lie: `first` is (hidden x columns), `second` (rows x hidden).
struct FactorBlock {
  std::vector<uint64_t> rows, columns; ///< of the dense weight
  std::vector<uint64_t> firstRows;     ///< of LinearWeights::first, one a hidden feature
  std::vector<uint64_t> secondRows,
      secondColumns; ///< of LinearWeights::second: a row, a hidden feature

  /// Whether there is a second factor.
  bool isProduct() const { return !secondRows.empty(); }

  Matrix dense(const Matrix &weight) const;
  Matrix first(const LinearWeights &weights) const;
  Matrix second(const LinearWeights &weights) const;
  void setDense(Matrix &weight, const Matrix &part) const;
  void setFirst(LinearWeights &weights, const Matrix &part) const;
  void setSecond(LinearWeights &weights, const Matrix &part) const;
};

/// Of a structured weight, by its sizes alone; none of a dense one.
std::vector<FactorBlock> blocksOf(const LinearWeights &weights);

} // namespace danaus
