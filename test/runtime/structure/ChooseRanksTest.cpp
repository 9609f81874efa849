// Ranks that weights of known singular values choose, in whatever structure they are, and the file
// that keeps them.
#include "runtime/base/AtomicFile.h"
#include "runtime/structure/RankFile.h"
#include "test/runtime/support/TempFolder.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>

using namespace danaus;
using danaus::test::TempFolder;

namespace {

/// A source of tensors that it owns.
struct Tensors {
  std::vector<std::vector<float>> values;
  std::vector<TensorRef> refs;

  Tensors() { values.reserve(8); }
  std::vector<float> &add(const std::string &name, std::vector<uint64_t> shape) {
    uint64_t count = 1;
    for (uint64_t size : shape)
      count *= size;
    refs.push_back({name, std::move(shape), values.emplace_back(count).data()});
    return values.back();
  }
  WeightSource source() const { return sourceOf("the test", refs); }
};

/// 32 x 32 with the singular values 1, 1/2, 1/4, ... on its diagonal.
Tensors halving() {
  Tensors tensors;
  std::vector<float> &weight = tensors.add("a.weight", {32, 32});
  for (size_t i = 0; i < 32; ++i)
    weight[33 * i] = std::ldexp(1.0f, -int(i));
  tensors.add("a.bias", {32});
  return tensors;
}

uint64_t rankOf(const Tensors &tensors, RankRule rule, uint64_t side = 32) {
  auto ranks = chooseRanks({{"a", side, side, rule}}, tensors.source());
  EXPECT_TRUE(bool(ranks)) << (ranks ? "" : ranks.error().message());
  return ranks ? ranks->front().rank : 0;
}

TEST(ChooseRanks, ByEnergy) {
  Tensors tensors = halving();
  // The first k keep 1 - 4^-k of the squares.
  EXPECT_EQ(rankOf(tensors, {.energy = 0.7}), 1u);
  EXPECT_EQ(rankOf(tensors, {.energy = 0.9}), 2u);
  EXPECT_EQ(rankOf(tensors, {.energy = 0.99}), 4u);
  EXPECT_EQ(rankOf(tensors, {.energy = 1 - 1e-5}), 16u); // 9, rounded up to whole vectors
  auto ranks = chooseRanks({{"a", 32, 32, {.energy = 0.9}}}, tensors.source());
  ASSERT_TRUE(bool(ranks));
  EXPECT_NEAR(ranks->front().energyKept, 1 - 1.0 / 16, 1e-9);
  EXPECT_TRUE(ranks->front().pays());
}

TEST(ChooseRanks, ByTheStableRank) {
  // 4/3 of a noise's 8, times 32: 5.33.
  EXPECT_EQ(rankOf(halving(), {.stable = true}), 6u);
  Tensors identity;
  std::vector<float> &weight = identity.add("a.weight", {32, 32});
  for (size_t i = 0; i < 32; ++i)
    weight[33 * i] = 3;
  auto ranks = chooseRanks({{"a", 32, 32, {.stable = true}}}, identity.source());
  ASSERT_TRUE(bool(ranks));
  EXPECT_EQ(ranks->front().rank, 32u);
  EXPECT_FALSE(ranks->front().pays());
  EXPECT_EQ(whyDense(ranks->front()),
            "a stays dense: two factors of rank 32 have no fewer parameters than 32 -> 32");
}

TEST(ChooseRanks, OfFactorsMultipliedOut) {
  Tensors lowRank;
  std::vector<float> &down = lowRank.add("a.down.weight", {3, 32});
  std::vector<float> &up = lowRank.add("a.up.weight", {32, 3});
  for (size_t i = 0; i < 3; ++i) {
    down[32 * i + i] = 1;
    up[3 * i + i] = 1;
  }
  EXPECT_EQ(rankOf(lowRank, {.energy = 1}), 3u);
  EXPECT_EQ(rankOf(lowRank, {.energy = 0.5}), 2u);

  // Two blocks of 3 inputs of which one is padding; 5 -> 5.
  Tensors monarch;
  monarch.add("a.blkdiag1", {2, 3, 3}).assign(18, 1);
  monarch.add("a.blkdiag2", {2, 3, 3}).assign(18, 1);
  EXPECT_GE(rankOf(monarch, {.energy = 1}, 5), 1u);
  auto dense = readDense(monarch.source(), "a", 5, 5);
  ASSERT_TRUE(bool(dense));
  EXPECT_EQ(dense->rows, 5u);
  EXPECT_EQ(dense->columns, 5u);
}

TEST(ChooseRanks, OfWhatIsNotThere) {
  Tensors tensors = halving();
  for (const RankedLinear &linear :
       {RankedLinear{"b", 32, 32, {.energy = 1}}, {"a", 31, 32, {.energy = 1}}}) {
    auto ranks = chooseRanks({linear}, tensors.source());
    ASSERT_FALSE(bool(ranks));
    EXPECT_EQ(ranks.error().code(), ExitCode::CheckpointInvalid);
    EXPECT_EQ(ranks.error().message(), "the test has no weight of the linear " + linear.layer +
                                           format(", %d -> 32", int(linear.in)));
  }
}

TEST(RankFile, ReadsBackWhatWasWritten) {
  TempFolder folder;
  std::string path = folder / rankFileName;
  std::vector<PhaseRanks> phases = {{2, {{"a", 32, 64, 8, 0.75}, {"b.0", 32, 32, 32, 1}}},
                                    {4, {{"a", 32, 64, 3, 0.1 + 0.2}}}};
  ASSERT_TRUE(bool(writeFileAtomically(path, rankFileText(phases))));
  auto read = readRankFile(path);
  ASSERT_TRUE(bool(read)) << read.error().message();
  EXPECT_EQ(rankFileText(*read), rankFileText(phases));
  EXPECT_EQ(findPhase(*read, 3), nullptr);
  ASSERT_NE(findPhase(*read, 4), nullptr);
  EXPECT_EQ(findPhase(*read, 4)->layers[0].energyKept, 0.1 + 0.2);
}

TEST(RankFile, WhatIsNoneIsNamed) {
  TempFolder folder;
  std::string path = folder / rankFileName;
  std::string good = rankFileText({{2, {{"a", 32, 64, 8, 0.75}}}});
  auto damaged = [&](const std::string &from, const std::string &to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  const std::pair<std::string, std::string> cases[] = {
      {"", "'" + path + "'"},
      {"[]", "it has no list `phases`"},
      {damaged("\"phase\": 2", "\"phase\": 0"), "an entry without `phase` and `layers`"},
      {damaged("\"name\"", "\"nome\""), "a layer has no name"},
      {damaged("\"in\": 32", "\"in\": -32"), "a has no `in` from 1 to 2^24"},
      {damaged("\"rank\": 8", "\"rank\": 33"), "a has a rank above its smaller side"},
      {damaged("\"rank\": 8", "\"rank\": 32"), "a is not `structure: dense`"},
      {damaged("low_rank", "dense"), "a is not `structure: low_rank`"},
      {damaged("0.75", "null"), "a has no `energy_kept`"},
      {rankFileText({{2, {{"a", 32, 64, 8, 1}, {"a", 32, 64, 8, 1}}}}), "a is there twice"},
      {rankFileText({{3, {}}, {2, {}}}), "its phases are not in order"}};
  for (const auto &[text, message] : cases) {
    ASSERT_TRUE(bool(writeFileAtomically(path, text)));
    auto read = readRankFile(path);
    ASSERT_FALSE(bool(read)) << text;
    EXPECT_EQ(read.error().code(), ExitCode::CheckpointInvalid);
    EXPECT_NE(read.error().message().find(message), std::string::npos) << read.error().message();
  }
  EXPECT_FALSE(bool(readRankFile(folder / "none.json")));
}

} // namespace
