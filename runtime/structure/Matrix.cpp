// See Matrix.h. LAPACK is opened when the first matrix comes: programs that never convert do not
// wait for its threads.
#include "runtime/structure/Matrix.h"

#include "runtime/base/DynamicLibrary.h"

#include <algorithm>
#include <cmath>

namespace danaus {

Matrix multiply(const Matrix &a, const Matrix &b) {
  Matrix c(a.rows, b.columns);
  for (uint64_t i = 0; i < a.rows; ++i)
    for (uint64_t k = 0; k < a.columns; ++k)
      for (uint64_t j = 0; j < b.columns; ++j)
        c.at(i, j) += a.at(i, k) * b.at(k, j);
  return c;
}

double frobeniusNorm(const Matrix &matrix) {
  double sum = 0;
  for (double value : matrix.data)
    sum += value * value;
  return std::sqrt(sum);
}

double relativeError(const Matrix &a, const Matrix &b) {
  double sum = 0, norm = frobeniusNorm(a);
  for (size_t i = 0; i < a.data.size(); ++i)
    sum += (a.data[i] - b.data[i]) * (a.data[i] - b.data[i]);
  return norm > 0 ? std::sqrt(sum) / norm : std::sqrt(sum);
}

namespace {

using Dgesdd = void(const char *job, const int *m, const int *n, double *a, const int *lda,
                    double *s, double *u, const int *ldu, double *vt, const int *ldvt, double *work,
                    const int *lwork, int *iwork, int *info);

Expected<Dgesdd *> lapack() {
  static Dgesdd *known = nullptr;
  if (known)
    return known;
  auto library = DynamicLibrary::open({"libopenblas.so.0", "liblapack.so.3"});
  if (!library)
    return Error(ExitCode::DeviceUnavailable,
                 "converting weights needs LAPACK, which is not here: " +
                     library.error().message() + "; install libopenblas0-pthread");
  if (!library->load("dgesdd_", known))
    return Error(ExitCode::DeviceUnavailable, library->path() + " has no dgesdd_");
  return known;
}

} // namespace

Expected<Svd> computeSvd(const Matrix &matrix) {
  if (!std::ranges::all_of(matrix.data, [](double value) { return std::isfinite(value); }))
    return Error(ExitCode::Usage, "the matrix holds NaN or Inf");
  auto solve = lapack();
  if (!solve)
    return solve.takeError();
  // LAPACK counts by columns: what it sees is the transpose, V diag(sigma) U^T.
  int m = int(matrix.columns), n = int(matrix.rows), k = std::min(m, n), info = 0, size = -1;
  std::vector<double> content = matrix.data;
  Svd svd{Matrix(matrix.rows, uint64_t(k)), std::vector<double>(size_t(k)),
          Matrix(uint64_t(k), matrix.columns)};
  std::vector<int> integers(size_t(8 * k));
  double wanted = 0;
  auto call = [&](double *work) {
    (*solve)("S", &m, &n, content.data(), &m, svd.sigma.data(), svd.vt.data.data(), &m,
             svd.u.data.data(), &k, work, &size, integers.data(), &info);
  };
  call(&wanted);
  size = int(wanted);
  std::vector<double> work(wanted > 0 ? size_t(size) : 0);
  call(work.data());
  if (info != 0)
    return Error(ExitCode::Internal, format("dgesdd: %d", info));
  return svd;
}

} // namespace danaus
