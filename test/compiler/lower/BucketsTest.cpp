// Cutting the gradients into all-reduces: against all cuts there are, and what one expects of it.
#include "compiler/lower/Buckets.h"

#include <gtest/gtest.h>
#include <random>

using namespace danaus;

namespace {

constexpr StepRates rates = {1, 1, 10, 1}; // a latency of 10, one a byte

double endOf(const std::vector<GradientPiece> &pieces, llvm::ArrayRef<size_t> ends) {
  double end = 0;
  size_t begin = 0;
  for (size_t each : ends) {
    double ready = 0, bytes = 0;
    for (; begin < each; ++begin) {
      ready = std::max(ready, pieces[begin].ready);
      bytes += double(pieces[begin].bytes);
    }
    end = std::max(end, ready) + rates.latency + bytes * rates.reducePerByte;
  }
  return end;
}

int64_t largest(const std::vector<GradientPiece> &pieces, llvm::ArrayRef<size_t> ends) {
  int64_t most = 0;
  size_t begin = 0;
  for (size_t each : ends) {
    int64_t bytes = 0;
    bool alone = each - begin == 1;
    for (; begin < each; ++begin)
      bytes += pieces[begin].bytes;
    most = std::max(most, alone ? 0 : bytes);
  }
  return most;
}

} // namespace

TEST(BucketsTest, AllAtOnceWhenAllIsReadyAtOnce) {
  std::vector<GradientPiece> pieces(5, {100, 50});
  EXPECT_EQ(cutBuckets(pieces, 1000, rates), (llvm::SmallVector<size_t>{5}));
}

TEST(BucketsTest, WhatIsReadyEarlyGoesEarly) {
  std::vector<GradientPiece> pieces = {{100, 0}, {100, 200}};
  EXPECT_EQ(cutBuckets(pieces, 1000, rates), (llvm::SmallVector<size_t>{1, 2}));
}

TEST(BucketsTest, TheLimitHolds) {
  std::vector<GradientPiece> pieces(6, {100, 0});
  EXPECT_EQ(cutBuckets(pieces, 200, rates), (llvm::SmallVector<size_t>{2, 4, 6}));
  EXPECT_EQ(cutBuckets({{1000, 0}}, 200, rates), (llvm::SmallVector<size_t>{1}));
  EXPECT_TRUE(cutBuckets({}, 200, rates).empty());
}

TEST(BucketsTest, NoCutEndsEarlier) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<GradientPiece> pieces(1 + random() % 9);
    double ready = 0;
    for (GradientPiece &piece : pieces)
      piece = {int64_t(1 + random() % 60), ready += double(random() % 40)};
    int64_t most = 40 + random() % 200;
    auto chosen = cutBuckets(pieces, most, rates);
    ASSERT_EQ(chosen.back(), pieces.size());
    EXPECT_LE(largest(pieces, chosen), most);
    for (unsigned mask = 0; mask < 1u << (pieces.size() - 1); ++mask) {
      std::vector<size_t> ends;
      for (size_t i = 1; i < pieces.size(); ++i)
        if (mask >> (i - 1) & 1)
          ends.push_back(i);
      ends.push_back(pieces.size());
      if (largest(pieces, ends) <= most)
        ASSERT_LE(endOf(pieces, chosen), endOf(pieces, ends) + 1e-9);
    }
  }
}
