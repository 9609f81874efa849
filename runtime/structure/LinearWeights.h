// The weight of a linear as one of its structures, and the ways between them. Formulas: low-rank
// layers as in Pufferfish (Wang et al., MLSys 2021); Monarch layers as in Dao et al. (ICML 2022),
// rectangular and padded, the projection of every block by its largest singular values.
#pragma once

#include "runtime/structure/Matrix.h"

#include <string>

namespace danaus {

enum class LinearKind { Dense, LowRank, Monarch, BlockDiagonal };

/// y = W x, W of shape (out, in).
struct LinearWeights {
  LinearKind kind = LinearKind::Dense;
  uint64_t in = 0, out = 0;
  /// Dense: W (out, in). Low-rank: down (r, in). Monarch: blkdiag1 (N, q, p), rows N q.
  /// Block-diagonal: blkdiag (N, s, p), rows N s.
  Matrix first;
  /// Low-rank: up (out, r). Monarch: blkdiag2 (N, s, q), rows N s.
  Matrix second;
  uint64_t blocks = 1; ///< N of Monarch and of a block-diagonal weight

  /// "dense", "low_rank r=16", "monarch N=4".
  std::string describe() const;
  uint64_t parameters() const { return first.data.size() + second.data.size(); }
};

/// Sizes of Monarch's factors: p = ceil(in / N), s = ceil(out / N), q = min(p, s).
struct MonarchSizes {
  uint64_t p, s, q;
  MonarchSizes(uint64_t in, uint64_t out, uint64_t blocks);
};

/// W, multiplied out.
Matrix toDense(const LinearWeights &weights);

/// The nearest matrix of rank `rank` in Frobenius norm, 1 <= rank <= min(out, in) (else Usage): W =
/// up down, each with the roots of the singular values.
Expected<LinearWeights> toLowRank(const Matrix &dense, uint64_t rank);

/// The nearest Monarch matrix in Frobenius norm, 1 <= blocks <= min(out, in) (else Usage).
Expected<LinearWeights> toMonarch(const Matrix &dense, uint64_t blocks);

/// The blocks on the diagonal, the same for blocks.
Expected<LinearWeights> toBlockDiagonal(const Matrix &dense, uint64_t blocks);

} // namespace danaus
