// See LinearWeights.h.
#include "runtime/structure/LinearWeights.h"

#include "runtime/structure/FactorBlocks.h"

#include <algorithm>
#include <cmath>

namespace danaus {

MonarchSizes::MonarchSizes(uint64_t in, uint64_t out, uint64_t blocks)
    : p((in + blocks - 1) / blocks), s((out + blocks - 1) / blocks), q(std::min(p, s)) {}

std::string LinearWeights::describe() const {
  if (kind == LinearKind::LowRank)
    return format("low_rank r=%llu", (unsigned long long)first.rows);
  if (kind == LinearKind::Dense)
    return "dense";
  return format("%s N=%llu", kind == LinearKind::Monarch ? "monarch" : "block_diagonal",
                (unsigned long long)blocks);
}

namespace {

Status checkSize(const char *what, uint64_t value, const Matrix &dense) {
  uint64_t most = std::min(dense.rows, dense.columns);
  if (value >= 1 && value <= most)
    return Status::ok();
  return Error(ExitCode::Usage,
               format("%s %llu: a weight of %llu x %llu takes 1 to %llu", what,
                      (unsigned long long)value, (unsigned long long)dense.rows,
                      (unsigned long long)dense.columns, (unsigned long long)most));
}

/// The nearest weights of the structure and sizes of `result`, in Frobenius norm: every product
/// keeps as many singular values as it has hidden features, their roots in both factors.
Expected<LinearWeights> nearest(const Matrix &dense, LinearWeights result) {
  for (const FactorBlock &block : blocksOf(result)) {
    if (block.firstRows.empty() || block.columns.empty()) // no way leads there: its part is 0
      continue;
    if (!block.isProduct()) {
      block.setFirst(result, block.dense(dense));
      continue;
    }
    auto svd = computeSvd(block.dense(dense));
    if (!svd)
      return svd.takeError();
    Matrix first(block.firstRows.size(), block.columns.size());
    Matrix second(block.rows.size(), block.firstRows.size());
    for (uint64_t t = 0; t < std::min<uint64_t>(first.rows, svd->sigma.size()); ++t) {
      double root = std::sqrt(svd->sigma[t]);
      for (uint64_t i = 0; i < first.columns; ++i)
        first.at(t, i) = root * svd->vt.at(t, i);
      for (uint64_t o = 0; o < second.rows; ++o)
        second.at(o, t) = root * svd->u.at(o, t);
    }
    block.setFirst(result, first);
    block.setSecond(result, second);
  }
  return result;
}

} // namespace

Matrix toDense(const LinearWeights &weights) {
  if (weights.kind == LinearKind::Dense)
    return weights.first;
  Matrix dense(weights.out, weights.in);
  for (const FactorBlock &block : blocksOf(weights))
    block.setDense(dense, block.isProduct() ? multiply(block.second(weights), block.first(weights))
                                            : block.first(weights));
  return dense;
}

Expected<LinearWeights> toLowRank(const Matrix &dense, uint64_t rank) {
  if (Status status = checkSize("rank", rank, dense); !status)
    return status.takeError();
  return nearest(dense, {LinearKind::LowRank, dense.columns, dense.rows,
                         Matrix(rank, dense.columns), Matrix(dense.rows, rank)});
}

Expected<LinearWeights> toMonarch(const Matrix &dense, uint64_t blocks) {
  if (Status status = checkSize("nblocks", blocks, dense); !status)
    return status.takeError();
  MonarchSizes sizes(dense.columns, dense.rows, blocks);
  return nearest(dense,
                 {LinearKind::Monarch, dense.columns, dense.rows, Matrix(blocks * sizes.q, sizes.p),
                  Matrix(blocks * sizes.s, sizes.q), blocks});
}

Expected<LinearWeights> toBlockDiagonal(const Matrix &dense, uint64_t blocks) {
  if (Status status = checkSize("nblocks", blocks, dense); !status)
    return status.takeError();
  MonarchSizes sizes(dense.columns, dense.rows, blocks);
  return nearest(dense, {LinearKind::BlockDiagonal, dense.columns, dense.rows,
                         Matrix(blocks * sizes.s, sizes.p), Matrix(), blocks});
}

} // namespace danaus
