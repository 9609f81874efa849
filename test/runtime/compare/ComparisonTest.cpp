// Means, spread, Student's distribution, and what is read of a run's folder.
#include "runtime/compare/Comparison.h"
#include "test/runtime/support/TempFolder.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace danaus;
using namespace danaus::test;

namespace {

TEST(Statistics, MeanAndDeviation) {
  std::vector<double> values{2, 4, 4, 4, 5, 5, 7, 9};
  Spread spread = spreadOf(values);
  EXPECT_DOUBLE_EQ(spread.mean, 5);
  EXPECT_NEAR(*spread.deviation, std::sqrt(32.0 / 7), 1e-12);
  EXPECT_EQ(spread.count, 8u);
  EXPECT_FALSE(spreadOf(std::vector<double>{3}).deviation);
}

/// The table's values that leave 5 % and 1 % in both tails.
TEST(Statistics, StudentsTails) {
  struct Row {
    uint64_t degrees;
    double five, one;
  };
  for (Row row : {Row{1, 12.7062, 63.6567}, Row{2, 4.30265, 9.92484}, Row{3, 3.18245, 5.84091},
                  Row{4, 2.77645, 4.60409}, Row{5, 2.57058, 4.03214}, Row{10, 2.22814, 3.16927},
                  Row{29, 2.04523, 2.75639}, Row{30, 2.04227, 2.75}}) {
    EXPECT_NEAR(studentTail(row.five, row.degrees), 0.05, 2e-6) << row.degrees;
    EXPECT_NEAR(studentTail(-row.one, row.degrees), 0.01, 2e-6) << row.degrees;
  }
  EXPECT_DOUBLE_EQ(studentTail(0, 4), 1);
  EXPECT_EQ(studentTail(INFINITY, 4), 0);
}

/// The sleep data of Student (1908): t = 4.0621 of 9 degrees, p = 0.002833.
TEST(Statistics, PairedTestOfStudent) {
  std::vector<double> a{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
  std::vector<double> b{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
  auto test = pairedTest(a, b);
  ASSERT_TRUE(test);
  EXPECT_NEAR(test->difference.mean, 1.58, 1e-12);
  EXPECT_NEAR(test->t, 4.0621, 1e-4);
  EXPECT_NEAR(test->p, 0.002833, 1e-6);
  EXPECT_FALSE(pairedTest(std::vector<double>{1}, std::vector<double>{2}));
  auto same = pairedTest(std::vector<double>{1, 2}, std::vector<double>{1, 2});
  EXPECT_EQ(same->t, 0);
  EXPECT_EQ(same->p, 1);
  auto shifted = pairedTest(std::vector<double>{1, 2}, std::vector<double>{2, 3});
  EXPECT_TRUE(std::isinf(shifted->t));
  EXPECT_EQ(shifted->p, 0);
}

struct Folders : testing::Test {
  TempFolder folder;
  void write(const std::string &summary, const std::string &metrics) {
    writeText(folder / "summary.json", summary);
    writeText(folder / "metrics.jsonl", metrics);
  }
};

TEST_F(Folders, ARunIsRead) {
  write("{\"test_accuracy\": 0.8, \"test_loss\": 0.5, \"best_val_accuracy\": 0.81, \"peak_bytes\": "
        "7}",
        "{\"step\": 1, \"loss\": 2.3}\n"
        "{\"epoch\": 1, \"seconds\": 2.0, \"val_accuracy\": 0.7}\n"
        "{\"epoch\": 2, \"seconds\": 4.0, \"val_accuracy\": 0.81}\n");
  auto run = readRun(folder / "", 5);
  ASSERT_TRUE(bool(run)) << run.error().message();
  EXPECT_EQ(run->seed, 5u);
  EXPECT_EQ(run->testAccuracy, 0.8);
  EXPECT_EQ(*run->bestValAccuracy, 0.81);
  EXPECT_EQ(run->epochSeconds, 3);
  EXPECT_EQ(run->peakBytes, 7u);
  EXPECT_EQ(run->accuracyOverTime, (std::vector<std::pair<double, double>>{{2, 0.7}, {6, 0.81}}));
}

TEST_F(Folders, WhatIsNoFinishedRunIsRefused) {
  EXPECT_FALSE(bool(readRun(folder / "absent", 0)));
  write("{\"seconds\": 1}", "");
  auto run = readRun(folder / "", 0);
  ASSERT_FALSE(bool(run));
  EXPECT_NE(run.error().message().find("is not a finished run"), std::string::npos);
  write("{\"test_accuracy\": 0.8, \"best_val_accuracy\": null}", "{\"epoch\": 1, \"sec");
  EXPECT_FALSE(bool(readRun(folder / "", 0)));
}

TEST(Comparison, RowsPairSeedBySeed) {
  auto runs = [](std::vector<std::pair<double, double>> values) {
    std::vector<ComparedRun> result;
    for (auto [accuracy, seconds] : values) {
      ComparedRun &run = result.emplace_back();
      run.seed = result.size();
      run.testAccuracy = accuracy;
      run.epochSeconds = seconds;
      run.peakBytes = 10 * result.size();
    }
    return result;
  };
  std::vector<ComparedModel> models{{"a", "a.yaml", 100, 200, runs({{0.5, 2}, {0.7, 4}})},
                                    {"b<", "b.yaml", 60, 80, runs({{0.6, 1}, {0.7, 1}})}};
  // The ranks that its weights chose are a run's own: counted are the means.
  models[1].runs[0].params = 48, models[1].runs[1].params = 52;
  models[1].runs[0].macs = 68, models[1].runs[1].macs = 72;
  auto rows = compareRuns(models);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_FALSE(rows[0].accuracy);
  EXPECT_DOUBLE_EQ(rows[0].speed.mean, 1);
  EXPECT_DOUBLE_EQ(rows[1].speed.mean, 3); // 2 and 4, not 3 / 1
  EXPECT_NEAR(rows[1].accuracy->difference.mean, 0.05, 1e-12);
  EXPECT_EQ(rows[1].peakBytes, 20u);
  std::string json = comparisonJson(models);
  EXPECT_NE(json.find("\"seeds\": [\n    1,\n    2\n  ]"), std::string::npos) << json;
  std::string page = comparisonPage(models);
  EXPECT_NE(page.find("<td>b&lt;</td><td>50</td><td>70</td>"), std::string::npos);
  EXPECT_EQ(page.find("<td>b<"), std::string::npos);
}

} // namespace
