// Conversions between structures: against their definitions, against the singular values that are
// dropped, and there and back; on shapes that are not square, primes and ones among them.
#include "runtime/structure/LinearWeights.h"
#include "test/runtime/structure/RandomMatrix.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace danaus;
using danaus::test::randomMatrix;

namespace {

double droppedSquares(const Matrix &matrix, uint64_t kept) {
  auto svd = computeSvd(matrix);
  EXPECT_TRUE(bool(svd)) << svd.error().message();
  double sum = 0;
  for (size_t t = kept; t < svd->sigma.size(); ++t)
    sum += svd->sigma[t] * svd->sigma[t];
  return sum;
}

double squaredError(const Matrix &a, const Matrix &b) {
  double norm = frobeniusNorm(a), error = relativeError(a, b) * norm;
  return error * error;
}

/// y = W x by the definition: h[k q + a] = sum W1[k][a][i] x[k p + i], y[o N + l] = sum W2[l][o][c]
/// h[c N + l], x padded with zeros and y cut.
std::vector<double> monarchTimes(const LinearWeights &w, const std::vector<double> &x) {
  MonarchSizes sizes(w.in, w.out, w.blocks);
  std::vector<double> hidden(w.blocks * sizes.q), y(w.out);
  for (uint64_t k = 0; k < w.blocks; ++k)
    for (uint64_t a = 0; a < sizes.q; ++a)
      for (uint64_t i = 0; i < sizes.p; ++i)
        if (k * sizes.p + i < w.in)
          hidden[k * sizes.q + a] += w.first.at(k * sizes.q + a, i) * x[k * sizes.p + i];
  for (uint64_t l = 0; l < w.blocks; ++l)
    for (uint64_t o = 0; o < sizes.s; ++o)
      for (uint64_t c = 0; c < sizes.q; ++c)
        if (o * w.blocks + l < w.out)
          y[o * w.blocks + l] += w.second.at(l * sizes.s + o, c) * hidden[c * w.blocks + l];
  return y;
}

LinearWeights randomMonarch(uint64_t in, uint64_t out, uint64_t blocks, unsigned seed) {
  MonarchSizes sizes(in, out, blocks);
  return {LinearKind::Monarch,
          in,
          out,
          randomMatrix(blocks * sizes.q, sizes.p, seed),
          randomMatrix(blocks * sizes.s, sizes.q, seed + 1),
          blocks};
}

struct Shape {
  uint64_t in, out;
};
class Shapes : public testing::TestWithParam<Shape> {};

TEST_P(Shapes, SvdGivesTheMatrixBack) {
  auto [in, out] = GetParam();
  Matrix matrix = randomMatrix(out, in, 1);
  auto svd = computeSvd(matrix);
  ASSERT_TRUE(bool(svd)) << svd.error().message();
  Matrix scaled = svd->u;
  for (uint64_t i = 0; i < scaled.rows; ++i)
    for (uint64_t t = 0; t < scaled.columns; ++t)
      scaled.at(i, t) *= svd->sigma[t];
  EXPECT_LE(relativeError(matrix, multiply(scaled, svd->vt)), 1e-12);
  EXPECT_TRUE(std::is_sorted(svd->sigma.rbegin(), svd->sigma.rend()));
}

TEST_P(Shapes, LowRankDropsTheSmallestSingularValues) {
  auto [in, out] = GetParam();
  Matrix matrix = randomMatrix(out, in, 2);
  uint64_t most = std::min(in, out);
  for (uint64_t rank : {uint64_t(1), (most + 1) / 2, most}) {
    auto low = toLowRank(matrix, rank);
    ASSERT_TRUE(bool(low)) << low.error().message();
    EXPECT_EQ(low->first.rows, rank);
    EXPECT_EQ(low->first.columns, in);
    EXPECT_EQ(low->second.rows, out);
    EXPECT_EQ(low->parameters(), rank * (in + out));
    double dropped = droppedSquares(matrix, rank);
    EXPECT_NEAR(squaredError(matrix, toDense(*low)), dropped, 1e-9 * (1 + dropped)) << rank;
  }
}

TEST_P(Shapes, MonarchMultipliesAsDefinedAndComesBack) {
  auto [in, out] = GetParam();
  for (uint64_t blocks : {1, 2, 3, 4, 7}) {
    if (blocks > std::min(in, out))
      continue;
    SCOPED_TRACE(blocks);
    LinearWeights monarch = randomMonarch(in, out, blocks, 3);
    Matrix dense = toDense(monarch), x = randomMatrix(in, 1, 4);
    Matrix y = multiply(dense, x);
    std::vector<double> wanted = monarchTimes(monarch, x.data);
    for (uint64_t o = 0; o < out; ++o)
      EXPECT_NEAR(y.data[o], wanted[o], 1e-9 * (1 + std::fabs(wanted[o])));
    auto back = toMonarch(dense, blocks);
    ASSERT_TRUE(bool(back)) << back.error().message();
    EXPECT_EQ(back->parameters(), monarch.parameters());
    EXPECT_LE(relativeError(dense, toDense(*back)), 1e-10);
  }
}

/// Each block keeps as many singular values as hidden features lead through it.
TEST_P(Shapes, MonarchDropsTheSmallestSingularValuesOfItsBlocks) {
  auto [in, out] = GetParam();
  Matrix matrix = randomMatrix(out, in, 5);
  for (uint64_t blocks : {1, 2, 3, 4}) {
    if (blocks > std::min(in, out))
      continue;
    SCOPED_TRACE(blocks);
    MonarchSizes sizes(in, out, blocks);
    double dropped = 0;
    for (uint64_t l = 0; l < blocks; ++l)
      for (uint64_t k = 0; k < blocks; ++k) {
        Matrix part(sizes.s, sizes.p);
        for (uint64_t o = 0; o < sizes.s; ++o)
          for (uint64_t i = 0; i < sizes.p; ++i)
            if (o * blocks + l < out && k * sizes.p + i < in)
              part.at(o, i) = matrix.at(o * blocks + l, k * sizes.p + i);
        uint64_t kept = 0;
        for (uint64_t a = 0; a < sizes.q; ++a)
          kept += (k * sizes.q + a) % blocks == l;
        dropped += droppedSquares(part, kept);
      }
    auto monarch = toMonarch(matrix, blocks);
    ASSERT_TRUE(bool(monarch)) << monarch.error().message();
    EXPECT_NEAR(squaredError(matrix, toDense(*monarch)), dropped, 1e-9 * (1 + dropped));
  }
}

/// What lies outside of the blocks is dropped, what lies in them stays as it is.
TEST_P(Shapes, BlockDiagonalKeepsItsBlocks) {
  auto [in, out] = GetParam();
  Matrix matrix = randomMatrix(out, in, 7);
  for (uint64_t blocks : {1, 2, 3, 4}) {
    if (blocks > std::min(in, out))
      continue;
    SCOPED_TRACE(blocks);
    MonarchSizes sizes(in, out, blocks);
    auto diagonal = toBlockDiagonal(matrix, blocks);
    ASSERT_TRUE(bool(diagonal)) << diagonal.error().message();
    EXPECT_EQ(diagonal->parameters(), blocks * sizes.s * sizes.p);
    Matrix dense = toDense(*diagonal);
    for (uint64_t o = 0; o < out; ++o)
      for (uint64_t i = 0; i < in; ++i)
        EXPECT_EQ(dense.at(o, i), o / sizes.s == i / sizes.p ? matrix.at(o, i) : 0);
    auto back = toBlockDiagonal(dense, blocks);
    ASSERT_TRUE(bool(back));
    EXPECT_EQ(back->first.data, diagonal->first.data);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Shapes,
                         testing::Values(Shape{1, 1}, Shape{8, 12}, Shape{12, 8}, Shape{13, 7},
                                         Shape{7, 13}, Shape{16, 48}, Shape{31, 5}, Shape{1, 9}));

TEST(Conversions, RefuseSizesThatDoNotExist) {
  Matrix matrix = randomMatrix(4, 6, 6);
  for (uint64_t size : {0, 5}) {
    auto low = toLowRank(matrix, size);
    ASSERT_FALSE(bool(low));
    EXPECT_NE(low.error().message().find("a weight of 4 x 6 takes 1 to 4"), std::string::npos);
    EXPECT_FALSE(bool(toMonarch(matrix, size)));
    EXPECT_FALSE(bool(toBlockDiagonal(matrix, size)));
  }
  matrix.at(0, 0) = NAN;
  EXPECT_FALSE(bool(toLowRank(matrix, 2)));
}

} // namespace
