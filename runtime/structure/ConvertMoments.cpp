// See ConvertMoments.h; A is LinearWeights::first, B is second.
#include "runtime/structure/ConvertMoments.h"

#include "runtime/structure/FactorBlocks.h"

#include <algorithm>
#include <limits>

namespace danaus {

namespace {

Matrix transpose(const Matrix &matrix) {
  Matrix result(matrix.columns, matrix.rows);
  for (uint64_t i = 0; i < matrix.rows; ++i)
    for (uint64_t j = 0; j < matrix.columns; ++j)
      result.at(j, i) = matrix.at(i, j);
  return result;
}

Matrix squared(Matrix matrix) {
  for (double &value : matrix.data)
    value *= value;
  return matrix;
}

double sumOf(const std::vector<double> &values) {
  double sum = 0;
  for (double value : values)
    sum += value;
  return sum;
}

/// The pseudoinverse; singular values below the rounding of the largest count as 0.
Expected<Matrix> pseudoInverse(const Matrix &matrix) {
  auto svd = computeSvd(matrix);
  if (!svd)
    return svd.takeError();
  double least = svd->sigma.front() * double(std::max(matrix.rows, matrix.columns)) *
                 std::numeric_limits<float>::epsilon();
  Matrix scaled = transpose(svd->vt);
  for (uint64_t t = 0; t < svd->sigma.size(); ++t)
    for (uint64_t i = 0; i < scaled.rows; ++i)
      scaled.at(i, t) = svd->sigma[t] > least ? scaled.at(i, t) / svd->sigma[t] : 0;
  return multiply(scaled, transpose(svd->u));
}

/// The least G with B^T G = `first` and G A^T = `second`: G = second A^+T + B^+T (first - B^T
/// second A^+T). Both hold at once where they come from one G.
Expected<Matrix> liftFirst(const Matrix &a, const Matrix &b, const Matrix &first,
                           const Matrix &second) {
  auto inverseA = pseudoInverse(a), inverseB = pseudoInverse(b);
  if (!inverseA)
    return inverseA.takeError();
  if (!inverseB)
    return inverseB.takeError();
  Matrix result = multiply(second, transpose(*inverseA));
  Matrix left = multiply(transpose(b), result);
  for (size_t i = 0; i < left.data.size(); ++i)
    left.data[i] = first.data[i] - left.data[i];
  Matrix rest = multiply(transpose(*inverseB), left);
  for (size_t i = 0; i < rest.data.size(); ++i)
    result.data[i] += rest.data[i];
  return result;
}

/// Row means from `second`, column means from `first`; G = rows columns^T over the mean of both.
Matrix liftSecond(const Matrix &a, const Matrix &b, const Matrix &first, const Matrix &second) {
  Matrix result(b.rows, a.columns);
  double normA = sumOf(squared(a).data), normB = sumOf(squared(b).data);
  if (!(normA > 0) || !(normB > 0))
    return result;
  std::vector<double> rows(b.rows), columns(a.columns);
  for (uint64_t t = 0; t < a.rows; ++t) {
    for (uint64_t i = 0; i < b.rows; ++i)
      rows[i] += second.at(i, t) / normA;
    for (uint64_t j = 0; j < a.columns; ++j)
      columns[j] += first.at(t, j) / normB;
  }
  double mean = (sumOf(rows) / double(rows.size()) + sumOf(columns) / double(columns.size())) / 2;
  for (uint64_t i = 0; mean > 0 && i < b.rows; ++i)
    for (uint64_t j = 0; j < a.columns; ++j)
      result.at(i, j) = rows[i] * columns[j] / mean;
  return result;
}

/// The moment of the dense weight.
Expected<Matrix> lift(const LinearWeights &weights, const LinearWeights &moment, Moment which) {
  if (weights.kind == LinearKind::Dense)
    return moment.first;
  Matrix dense(weights.out, weights.in);
  for (const FactorBlock &block : blocksOf(weights)) {
    if (block.firstRows.empty() || block.columns.empty())
      continue;
    if (!block.isProduct()) {
      block.setDense(dense, block.first(moment));
      continue;
    }
    Matrix a = block.first(weights), b = block.second(weights);
    Expected<Matrix> part =
        which == Moment::First
            ? liftFirst(a, b, block.first(moment), block.second(moment))
            : Expected<Matrix>(liftSecond(a, b, block.first(moment), block.second(moment)));
    if (!part)
      return part.takeError();
    block.setDense(dense, *part);
  }
  return dense;
}

} // namespace

Expected<LinearWeights> convertMoment(const LinearWeights &before, const LinearWeights &moment,
                                      const LinearWeights &after, Moment which) {
  auto dense = lift(before, moment, which);
  if (!dense)
    return dense.takeError();
  LinearWeights result = after;
  if (after.kind == LinearKind::Dense) {
    result.first = std::move(*dense);
    return result;
  }
  std::ranges::fill(result.first.data, 0);
  std::ranges::fill(result.second.data, 0);
  for (const FactorBlock &block : blocksOf(after)) {
    if (!block.isProduct()) {
      block.setFirst(result, block.dense(*dense));
      continue;
    }
    Matrix a = block.first(after), b = block.second(after), part = block.dense(*dense);
    if (which == Moment::Second) {
      a = squared(std::move(a));
      b = squared(std::move(b));
    }
    block.setFirst(result, multiply(transpose(b), part));
    block.setSecond(result, multiply(part, transpose(a)));
  }
  return result;
}

} // namespace danaus
