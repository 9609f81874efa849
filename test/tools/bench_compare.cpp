// The figures of danaus bench --compare, from times that are given.
#include "tools/danaus/measure/BenchCompare.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace danaus::tool;

TEST(SampleRange, HasTheMiddleAndTheEnds) {
  SampleRange odd = rangeOf({3, 1, 10}), even = rangeOf({4, 1, 2, 8}), none = rangeOf({});
  EXPECT_EQ(odd.median, 3);
  EXPECT_EQ(odd.least, 1);
  EXPECT_EQ(odd.most, 10);
  EXPECT_EQ(even.median, 3);
  EXPECT_EQ(none.most, 0);
}

// A machine that is twice as slow in one round says nothing about the two models.
TEST(Ratio, IsTakenRoundByRound) {
  ComparedModel first{"a", 8, {1, 2, 1}}, second{"b", 8, {3, 6, 2}};
  SampleRange ratio = ratioOf(first, second);
  EXPECT_EQ(ratio.median, 3);
  EXPECT_EQ(ratio.least, 2);
  EXPECT_EQ(ratio.most, 3);
}

TEST(Comparison, IsATableOrJson) {
  ComparedModel first{"a \"b\"", 8, {1, 2, 1}}, second{"c", 16, {3, 6, 2}};
  std::string table = describeComparison(first, second, false);
  EXPECT_NE(table.find("c takes 3.000 times as long as a \"b\" (2.000 to 3.000, 3 rounds"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("5,333"), std::string::npos) << table; // images of the second a second
  auto json = nlohmann::json::parse(describeComparison(first, second, true));
  EXPECT_EQ(json["models"][0]["name"], "a \"b\"");
  EXPECT_EQ(json["models"][1]["most_ms"], 6);
  EXPECT_EQ(json["models"][1]["batch"], 16);
  EXPECT_EQ(json["ratio"]["median"], 3);
  EXPECT_EQ(json["rounds"], 3);
}
