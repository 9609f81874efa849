// See LinearWeights.h.
#include "runtime/structure/LinearWeights.h"

#include <algorithm>
#include <cmath>

namespace danaus {

MonarchSizes::MonarchSizes(uint64_t in, uint64_t out, uint64_t blocks)
    : p((in + blocks - 1) / blocks), s((out + blocks - 1) / blocks), q(std::min(p, s)) {}

std::string LinearWeights::describe() const {
  if (kind == LinearKind::LowRank)
    return format("low_rank r=%llu", (unsigned long long)first.rows);
  return kind == LinearKind::Dense ? std::string("dense")
                                   : format("monarch N=%llu", (unsigned long long)blocks);
}

namespace {

/// Hidden features j = k q + a come from block k of the first factor; those with j mod N = l go
/// into block l of the second, as its column j div N. y[o N + l] = sum_c W2[l][o][c] h[c N + l].
Matrix monarchToDense(const LinearWeights &w) {
  MonarchSizes sizes(w.in, w.out, w.blocks);
  Matrix dense(w.out, w.in);
  for (uint64_t j = 0; j < w.blocks * sizes.q; ++j) {
    uint64_t k = j / sizes.q, l = j % w.blocks, c = j / w.blocks;
    for (uint64_t o = 0; o < sizes.s && o * w.blocks + l < w.out; ++o) {
      double weight = w.second.at(l * sizes.s + o, c);
      for (uint64_t i = 0; i < sizes.p && k * sizes.p + i < w.in; ++i)
        dense.at(o * w.blocks + l, k * sizes.p + i) += weight * w.first.at(j, i);
    }
  }
  return dense;
}

Status checkSize(const char *what, uint64_t value, const Matrix &dense) {
  uint64_t most = std::min(dense.rows, dense.columns);
  if (value >= 1 && value <= most)
    return Status::ok();
  return Error(ExitCode::Usage,
               format("%s %llu: a weight of %llu x %llu takes 1 to %llu", what,
                      (unsigned long long)value, (unsigned long long)dense.rows,
                      (unsigned long long)dense.columns, (unsigned long long)most));
}

} // namespace

Matrix toDense(const LinearWeights &weights) {
  if (weights.kind == LinearKind::Dense)
    return weights.first;
  return weights.kind == LinearKind::LowRank ? multiply(weights.second, weights.first)
                                             : monarchToDense(weights);
}

Expected<LinearWeights> toLowRank(const Matrix &dense, uint64_t rank) {
  if (Status status = checkSize("rank", rank, dense); !status)
    return status.takeError();
  auto svd = computeSvd(dense);
  if (!svd)
    return svd.takeError();
  LinearWeights result{LinearKind::LowRank, dense.columns, dense.rows, Matrix(rank, dense.columns),
                       Matrix(dense.rows, rank)};
  for (uint64_t t = 0; t < rank; ++t) {
    double root = std::sqrt(svd->sigma[t]);
    for (uint64_t i = 0; i < dense.columns; ++i)
      result.first.at(t, i) = root * svd->vt.at(t, i);
    for (uint64_t o = 0; o < dense.rows; ++o)
      result.second.at(o, t) = root * svd->u.at(o, t);
  }
  return result;
}

Expected<LinearWeights> toMonarch(const Matrix &dense, uint64_t blocks) {
  if (Status status = checkSize("nblocks", blocks, dense); !status)
    return status.takeError();
  MonarchSizes sizes(dense.columns, dense.rows, blocks);
  LinearWeights result{LinearKind::Monarch,
                       dense.columns,
                       dense.rows,
                       Matrix(blocks * sizes.q, sizes.p),
                       Matrix(blocks * sizes.s, sizes.q),
                       blocks};
  // Rows o N + l by the columns of block k are one matrix of their own, whose rank is the number of
  // hidden features that lead from k to l.
  for (uint64_t l = 0; l < blocks; ++l)
    for (uint64_t k = 0; k < blocks; ++k) {
      Matrix part(sizes.s, sizes.p);
      for (uint64_t o = 0; o < sizes.s && o * blocks + l < dense.rows; ++o)
        for (uint64_t i = 0; i < sizes.p && k * sizes.p + i < dense.columns; ++i)
          part.at(o, i) = dense.at(o * blocks + l, k * sizes.p + i);
      auto svd = computeSvd(part);
      if (!svd)
        return svd.takeError();
      uint64_t t = 0;
      for (uint64_t j = k * sizes.q; j < (k + 1) * sizes.q; ++j) {
        if (j % blocks != l)
          continue;
        double root = std::sqrt(svd->sigma[t]);
        for (uint64_t i = 0; i < sizes.p; ++i)
          result.first.at(j, i) = root * svd->vt.at(t, i);
        for (uint64_t o = 0; o < sizes.s; ++o)
          result.second.at(l * sizes.s + o, j / blocks) = root * svd->u.at(o, t);
        ++t;
      }
    }
  return result;
}

} // namespace danaus
