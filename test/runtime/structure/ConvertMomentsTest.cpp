// What the optimizer remembers of a weight, in another structure of it: the chain rule where the
// new one has factors, the least moment that fits where the old one has, and both together.
#include "runtime/structure/ConvertMoments.h"

#include "runtime/structure/FactorBlocks.h"
#include "test/runtime/structure/RandomMatrix.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace danaus;
using danaus::test::randomMatrix;

namespace {

Matrix squaresOf(Matrix matrix) {
  for (double &value : matrix.data)
    value *= value;
  return matrix;
}

LinearWeights dense(uint64_t in, uint64_t out, Matrix matrix) {
  return {LinearKind::Dense, in, out, std::move(matrix)};
}

/// Random factors; padding is filled too, which no result may depend on.
LinearWeights structured(LinearKind kind, uint64_t in, uint64_t out, uint64_t size, unsigned seed) {
  if (kind == LinearKind::LowRank)
    return {kind, in, out, randomMatrix(size, in, seed), randomMatrix(out, size, seed + 1)};
  MonarchSizes sizes(in, out, size);
  if (kind == LinearKind::BlockDiagonal)
    return {kind, in, out, randomMatrix(size * sizes.s, sizes.p, seed), Matrix(), size};
  return {kind,
          in,
          out,
          randomMatrix(size * sizes.q, sizes.p, seed),
          randomMatrix(size * sizes.s, sizes.q, seed + 1),
          size};
}

/// The gradient of sum(G * W) in every element of the factors, by differences: W is linear in each.
LinearWeights gradientOf(const LinearWeights &weights, const Matrix &g) {
  auto value = [&](const LinearWeights &at) {
    Matrix w = toDense(at);
    double sum = 0;
    for (size_t i = 0; i < w.data.size(); ++i)
      sum += w.data[i] * g.data[i];
    return sum;
  };
  LinearWeights result = weights, moved = weights;
  double start = value(weights);
  for (auto [factor, into] :
       {std::pair(&moved.first, &result.first), {&moved.second, &result.second}})
    for (size_t i = 0; i < factor->data.size(); ++i) {
      double kept = factor->data[i];
      factor->data[i] = kept + 1;
      into->data[i] = value(moved) - start;
      factor->data[i] = kept;
    }
  return result;
}

void expectNear(const Matrix &a, const Matrix &b, double tolerance = 1e-9) {
  ASSERT_EQ(a.data.size(), b.data.size());
  EXPECT_TRUE(relativeError(a, b) <= tolerance) << relativeError(a, b);
}

struct Case {
  LinearKind kind;
  uint64_t in, out, size;
};
class Moments : public testing::TestWithParam<Case> {};

TEST_P(Moments, OfDenseFollowTheChainRule) {
  auto [kind, in, out, size] = GetParam();
  Matrix g = randomMatrix(out, in, 1);
  LinearWeights to = structured(kind, in, out, size, 2);
  auto moment = convertMoment(dense(in, out, toDense(to)), dense(in, out, g), to, Moment::First);
  ASSERT_TRUE(bool(moment)) << moment.error().message();
  LinearWeights wanted = gradientOf(to, g);
  expectNear(wanted.first, moment->first);
  expectNear(wanted.second, moment->second);
}

/// As the first moment, with everything squared.
TEST_P(Moments, OfSquaresFollowItWithSquares) {
  auto [kind, in, out, size] = GetParam();
  Matrix g = squaresOf(randomMatrix(out, in, 3));
  LinearWeights to = structured(kind, in, out, size, 4), squares = to;
  squares.first = squaresOf(to.first);
  squares.second = squaresOf(to.second);
  auto moment = convertMoment(dense(in, out, toDense(to)), dense(in, out, g), to, Moment::Second);
  ASSERT_TRUE(bool(moment)) << moment.error().message();
  LinearWeights wanted = gradientOf(squares, g);
  expectNear(wanted.first, moment->first);
  expectNear(wanted.second, moment->second);
}

/// To dense and back with the same factors: nothing may be lost of what the factors' moments say.
TEST_P(Moments, ComeBackFromDense) {
  auto [kind, in, out, size] = GetParam();
  LinearWeights weights = structured(kind, in, out, size, 5);
  LinearWeights moment = gradientOf(weights, randomMatrix(out, in, 6));
  LinearWeights whole = dense(in, out, toDense(weights));
  auto lifted = convertMoment(weights, moment, whole, Moment::First);
  ASSERT_TRUE(bool(lifted)) << lifted.error().message();
  auto back = convertMoment(whole, *lifted, weights, Moment::First);
  ASSERT_TRUE(bool(back)) << back.error().message();
  expectNear(moment.first, back->first, 1e-6);
  expectNear(moment.second, back->second, 1e-6);
}

/// Squares of one row by one column in each block are what is kept exactly.
TEST_P(Moments, SquaresOfRankOneComeBack) {
  auto [kind, in, out, size] = GetParam();
  LinearWeights weights = structured(kind, in, out, size, 7);
  Matrix rows = squaresOf(randomMatrix(out, 1, 8)), columns = squaresOf(randomMatrix(1, in, 9));
  LinearWeights ones = weights; // whose sums of squares do not weigh rows and columns differently
  std::ranges::fill(ones.first.data, 1.0);
  std::ranges::fill(ones.second.data, 1.0);
  LinearWeights whole = dense(in, out, toDense(ones));
  LinearWeights squares = dense(in, out, multiply(rows, columns));
  auto moment = convertMoment(whole, squares, ones, Moment::Second);
  ASSERT_TRUE(bool(moment));
  auto lifted = convertMoment(ones, *moment, whole, Moment::Second);
  ASSERT_TRUE(bool(lifted));
  for (const FactorBlock &block : blocksOf(ones))
    if (!block.firstRows.empty())
      expectNear(block.dense(squares.first), block.dense(lifted->first));
  EXPECT_TRUE(std::ranges::all_of(lifted->first.data, [](double v) { return v >= 0; }));
}

INSTANTIATE_TEST_SUITE_P(
    All, Moments,
    testing::Values(Case{LinearKind::LowRank, 9, 6, 3}, Case{LinearKind::LowRank, 5, 11, 5},
                    Case{LinearKind::LowRank, 1, 4, 1}, Case{LinearKind::Monarch, 8, 8, 2},
                    Case{LinearKind::Monarch, 7, 13, 3}, Case{LinearKind::Monarch, 12, 5, 4},
                    Case{LinearKind::BlockDiagonal, 8, 6, 2},
                    Case{LinearKind::BlockDiagonal, 7, 13, 3}));

TEST(Moments, OfZeroWeightsAreZero) {
  LinearWeights zero{LinearKind::LowRank, 4, 3, Matrix(2, 4), Matrix(3, 2)};
  LinearWeights moment{LinearKind::LowRank, 4, 3, randomMatrix(2, 4, 1), randomMatrix(3, 2, 2)};
  for (Moment which : {Moment::First, Moment::Second}) {
    auto lifted = convertMoment(zero, moment, dense(4, 3, Matrix(3, 4)), which);
    ASSERT_TRUE(bool(lifted));
    EXPECT_EQ(frobeniusNorm(lifted->first), 0);
  }
}

} // namespace
