// Matrices of the conversions between structures, in double, row-major.
#pragma once

#include "runtime/base/Status.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace danaus {

struct Matrix {
  uint64_t rows = 0, columns = 0;
  std::vector<double> data;

  Matrix() = default;
  Matrix(uint64_t rows, uint64_t columns) : rows(rows), columns(columns), data(rows * columns) {}
  double &at(uint64_t row, uint64_t column) { return data[row * columns + column]; }
  double at(uint64_t row, uint64_t column) const { return data[row * columns + column]; }
};

/// a (m x k) times b (k x n).
Matrix multiply(const Matrix &a, const Matrix &b);

/// The square root of the sum of squares of the elements.
double frobeniusNorm(const Matrix &matrix);

/// ||a - b|| / ||a||; ||a - b|| where a is 0.
double relativeError(const Matrix &a, const Matrix &b);

/// A = U diag(sigma) V^T, k = min(rows, columns) triplets, largest first.
struct Svd {
  Matrix u;                  ///< rows x k
  std::vector<double> sigma; ///< k, descending, not negative
  Matrix vt;                 ///< k x columns
};

/// LAPACK's dgesdd, of the library that this machine has (OpenBLAS's is threaded).
/// DeviceUnavailable where there is none, with what to install; Usage where the matrix holds NaN or
/// Inf.
Expected<Svd> computeSvd(const Matrix &matrix);

} // namespace danaus
