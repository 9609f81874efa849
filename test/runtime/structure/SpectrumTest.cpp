// Ranks by energy and the stable rank, on spectra that are known.
#include "runtime/structure/Spectrum.h"

#include <gtest/gtest.h>

using namespace danaus;

namespace {

TEST(Spectrum, OfADiagonal) {
  Matrix matrix(3, 5);
  matrix.at(0, 2) = 2;
  matrix.at(1, 0) = -4;
  matrix.at(2, 4) = 1;
  auto spectrum = spectrumOf(matrix);
  ASSERT_TRUE(bool(spectrum));
  ASSERT_EQ(spectrum->sigma.size(), 3u);
  EXPECT_NEAR(spectrum->sigma[0], 4, 1e-12);
  EXPECT_NEAR(spectrum->stableRank(), 21.0 / 16, 1e-12);
  EXPECT_EQ(spectrum->rankFor(0.7), 1u);  // 16 of 21 is 0.762
  EXPECT_EQ(spectrum->rankFor(0.77), 2u); // 20 of 21 is 0.952
  EXPECT_EQ(spectrum->rankFor(0.96), 3u);
  EXPECT_EQ(spectrum->rankFor(1), 3u);
  EXPECT_NEAR(spectrum->energyOf(2), 20.0 / 21, 1e-12);
  EXPECT_NEAR(spectrum->energyOf(9), 1, 1e-12);
}

TEST(Spectrum, OfZeros) {
  auto spectrum = spectrumOf(Matrix(2, 2));
  ASSERT_TRUE(bool(spectrum));
  EXPECT_EQ(spectrum->rankFor(0.9), 1u);
  EXPECT_EQ(spectrum->stableRank(), 1);
  EXPECT_EQ(spectrum->energyOf(1), 1);
}

} // namespace
