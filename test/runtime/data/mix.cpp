// Mixup and CutMix: the distribution of shares, what happens to rows and labels.
#include "runtime/data/Mix.h"

#include "runtime/data/RandomStream.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

using namespace danaus;

namespace {

std::vector<double> draws(double alpha, uint32_t count) {
  std::vector<double> values;
  for (uint32_t step = 0; step < count; ++step) {
    RandomStream numbers(3, step, 0, RandomUse::Mix);
    values.push_back(drawBeta(alpha, numbers));
  }
  return values;
}

/// Mean 1/2, variance 1 / (4 (2 alpha + 1)); the fourth moment about the mean is
/// 3 / (16 (2 alpha + 1) (2 alpha + 3)).
TEST(Beta, HasItsMoments) {
  constexpr uint32_t count = 40'000;
  for (double alpha : {0.1, 0.4, 0.8, 1.0, 2.0, 30.0}) {
    double mean = 0, second = 0, fourth = 0;
    for (double value : draws(alpha, count)) {
      ASSERT_TRUE(value >= 0 && value <= 1);
      mean += value / count;
      second += std::pow(value - 0.5, 2) / count;
      fourth += std::pow(value - 0.5, 4) / count;
    }
    double variance = 1 / (4 * (2 * alpha + 1));
    double kurtosis = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3));
    EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(variance / count)) << alpha;
    EXPECT_NEAR(second, variance, 5 * std::sqrt((kurtosis - variance * variance) / count)) << alpha;
    EXPECT_NEAR(fourth, kurtosis, 0.05 * kurtosis) << alpha;
  }
}

TEST(Beta, OfOneIsUniform) {
  std::vector<double> values = draws(1, 20'000);
  std::sort(values.begin(), values.end());
  double distance = 0; // Kolmogorov-Smirnov; 1.95 / sqrt(n) is exceeded once in a thousand
  for (size_t i = 0; i < values.size(); ++i)
    distance = std::max(distance, std::abs(values[i] - (double(i) + 0.5) / double(values.size())));
  EXPECT_LT(distance, 1.95 / std::sqrt(20'000.0));
}

TEST(Beta, OfVerySmallAndLargeAlphasIsANumber) {
  for (double value : draws(1e-5, 1000))
    EXPECT_TRUE(value < 1e-6 || value > 1 - 1e-6) << value;
  for (double value : draws(1e3, 1000))
    EXPECT_NEAR(value, 0.5, 0.07);
}

TEST(Cutmix, BoxIsThatOfThePaper) {
  ImageShape image{3, 20, 30};
  bool inside = false, cutOff = false;
  for (uint32_t step = 0; step < 200; ++step) {
    RandomStream numbers(1, step, 0, RandomUse::Mix);
    PixelBox box = drawCutmixBox(0.75, image, numbers); // half of each side
    ASSERT_LE(box.height, 10u);
    ASSERT_LE(box.width, 14u); // int(15 / 2) on both sides of the middle
    ASSERT_LE(box.top + box.height, 20u);
    ASSERT_LE(box.left + box.width, 30u);
    inside |= box.height == 10 && box.width == 14;
    cutOff |= box.height < 10 || box.width < 14;
  }
  EXPECT_TRUE(inside && cutOff);
  RandomStream numbers(1, 0, 0, RandomUse::Mix);
  EXPECT_EQ(drawCutmixBox(1, image, numbers).height, 0u);
}

struct Batch {
  ImageShape shape{2, 2, 3};
  std::vector<float> input;
  std::vector<int32_t> labels, mixLabels;
  std::vector<float> weights;
  explicit Batch(size_t rows) : mixLabels(rows, 77), weights(rows, 77) {
    for (size_t i = 0; i < rows * shape.pixels(); ++i)
      input.push_back(float(i));
    for (size_t row = 0; row < rows; ++row)
      labels.push_back(int32_t(row));
  }
  /// Mixes the first `valid` rows.
  void mix(const Mix &how, size_t valid) {
    mixBatch(how, shape, input, std::span(labels).first(valid), std::span(mixLabels).first(valid),
             std::span(weights).first(valid));
  }
};

TEST(Mix, MixupAddsPairs) {
  Batch batch(5), before(5);
  batch.mix({MixKind::Mixup, 0.75f, {}}, 5);
  for (size_t row = 0; row < 5; ++row)
    for (size_t i = 0; i < 12; ++i)
      EXPECT_EQ(batch.input[row * 12 + i],
                0.75f * before.input[row * 12 + i] + 0.25f * before.input[(4 - row) * 12 + i]);
  EXPECT_EQ(batch.mixLabels, (std::vector<int32_t>{4, 3, 2, 1, 0}));
  EXPECT_EQ(batch.weights, std::vector<float>(5, 0.75f));
}

TEST(Mix, CutmixExchangesTheBox) {
  Batch batch(4), before(4);
  PixelBox box{1, 1, 1, 2};
  batch.mix({MixKind::Cutmix, 0.5f, box}, 4);
  for (size_t row = 0; row < 4; ++row)
    for (size_t i = 0; i < 12; ++i) {
      bool in = i / 3 % 2 == 1 && i % 3 >= 1;
      EXPECT_EQ(batch.input[row * 12 + i], before.input[(in ? 3 - row : row) * 12 + i]);
    }
  EXPECT_EQ(batch.labels, before.labels);
}

TEST(Mix, PaddedRowsAreLeftAlone) {
  Batch batch(5), before(5);
  batch.mix({MixKind::Mixup, 0.5f, {}}, 2);
  EXPECT_EQ(batch.mixLabels, (std::vector<int32_t>{1, 0, 77, 77, 77}));
  EXPECT_TRUE(std::equal(batch.input.begin() + 24, batch.input.end(), before.input.begin() + 24));
}

TEST(Mix, WithBothEachBatchTakesOne) {
  ImageShape image{1, 16, 16};
  int mixups = 0;
  for (uint64_t step = 0; step < 1000; ++step) {
    Mix mix = drawMix({0.8, 1.0}, image, 5, 0, step);
    mixups += mix.kind == MixKind::Mixup;
    if (mix.kind == MixKind::Cutmix) {
      EXPECT_EQ(mix.weight, float(1 - double(mix.box.height) * mix.box.width / 256));
    }
    EXPECT_EQ(drawMix({0.8, 0}, image, 5, 0, step).kind, MixKind::Mixup);
    EXPECT_EQ(drawMix({0, 0.8}, image, 5, 0, step).kind, MixKind::Cutmix);
    EXPECT_EQ(drawMix({}, image, 5, 0, step).kind, MixKind::None);
  }
  EXPECT_NEAR(mixups, 500, 64); // four deviations
}

TEST(Mix, DependsOnSeedEpochAndStep) {
  ImageShape image{1, 16, 16};
  auto weight = [&](uint64_t seed, uint64_t epoch, uint64_t step) {
    return drawMix({0.8, 0}, image, seed, epoch, step).weight;
  };
  EXPECT_EQ(weight(1, 2, 3), weight(1, 2, 3));
  EXPECT_NE(weight(1, 2, 3), weight(2, 2, 3));
  EXPECT_NE(weight(1, 2, 3), weight(1, 3, 3));
  EXPECT_NE(weight(1, 2, 3), weight(1, 2, 4));
}

} // namespace
