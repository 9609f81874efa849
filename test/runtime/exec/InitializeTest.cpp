// Initial values: their distribution, and what they depend on.
#include "runtime/exec/Initialize.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace danaus;

namespace {

std::vector<float> values(fb::InitKind kind, double scale, uint64_t seed, std::string_view name,
                          size_t count) {
  std::vector<float> tensor(count, 99.0f);
  initialize(tensor, kind, scale, seed, name);
  return tensor;
}

struct Moments {
  double mean = 0, deviation = 0, smallest = INFINITY, largest = -INFINITY;
};

Moments moments(const std::vector<float> &tensor) {
  Moments result;
  double squares = 0;
  for (double value : tensor) {
    result.mean += value / double(tensor.size());
    squares += value * value / double(tensor.size());
    result.smallest = std::min(result.smallest, value);
    result.largest = std::max(result.largest, value);
  }
  result.deviation = std::sqrt(squares - result.mean * result.mean);
  return result;
}

TEST(Initialize, Constants) {
  EXPECT_EQ(values(fb::InitKind::Zeros, 3, 0, "w", 5), std::vector<float>(5, 0.0f));
  EXPECT_EQ(values(fb::InitKind::Ones, 3, 0, "w", 5), std::vector<float>(5, 1.0f));
}

TEST(Initialize, Uniform) {
  Moments m = moments(values(fb::InitKind::Uniform, 0.5, 1, "w", 100'000));
  EXPECT_NEAR(m.mean, 0, 0.005);
  EXPECT_NEAR(m.deviation, 0.5 / std::sqrt(3.0), 0.003);
  EXPECT_GE(m.smallest, -0.5);
  EXPECT_LT(m.largest, 0.5);
  EXPECT_LT(m.smallest, -0.4999);
  EXPECT_GT(m.largest, 0.4999);
}

TEST(Initialize, TruncatedNormal) {
  Moments m = moments(values(fb::InitKind::TruncatedNormal, 0.02, 1, "w", 100'000));
  EXPECT_NEAR(m.mean, 0, 0.0003);
  // A standard normal cut at two deviations has deviation 0.87963.
  EXPECT_NEAR(m.deviation, 0.02 * 0.87963, 0.0002);
  EXPECT_GE(m.smallest, -0.04f);
  EXPECT_LE(m.largest, 0.04f);
  EXPECT_GT(m.largest, 0.0395);
}

TEST(Initialize, DependsOnSeedAndNameAlone) {
  for (fb::InitKind kind : {fb::InitKind::Uniform, fb::InitKind::TruncatedNormal}) {
    std::vector<float> w = values(kind, 1, 7, "w", 64);
    EXPECT_EQ(w, values(kind, 1, 7, "w", 64));
    EXPECT_NE(w, values(kind, 1, 8, "w", 64));
    EXPECT_NE(w, values(kind, 1, 7, "v", 64));
    std::vector<float> shorter = values(kind, 1, 7, "w", 10);
    EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), w.begin()));
  }
}

// Checkpoints and papers quote seeds: the stream must not change unnoticed.
TEST(Initialize, StreamIsPinned) {
  std::vector<float> w = values(fb::InitKind::Uniform, 1, 0, "hidden.0.weight", 2);
  EXPECT_EQ(w, std::vector<float>({-0.0201820135f, 0.702810645f}));
}

} // namespace
