// What a training recipe adds to the loop: updates in micro-batches, and moving
// averages of the weights.
#include "test/runtime/train/TrainerTest.h"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace danaus;
using namespace danaus::test;

namespace {

class RecipeTest : public TrainerTest {
protected:
  void resumesFromAnyStep(TinyOptions tiny, uint64_t stride) {
    ASSERT_TRUE(succeeds(train(tiny, "whole")));
    for (uint64_t stop = 1; stop <= 20; stop += stride) {
      std::string run = "cut" + std::to_string(stop);
      watcher.stopAt = stop;
      EXPECT_TRUE(failsWith(train(tiny, run), ExitCode::Stopped, format("step %d ", int(stop))));
      watcher.stopAt = 0;
      ASSERT_TRUE(succeeds(train(tiny, run, RunMode::Resume)));
      EXPECT_EQ(watcher.steps, 20 - stop);
      EXPECT_EQ(weights(run), weights("whole")) << stop;
      EXPECT_EQ(weights(run, "best"), weights("whole", "best")) << stop;
      EXPECT_EQ(readText(folder / (run + "/checkpoints/last/state.safetensors")),
                readText(folder / "whole/checkpoints/last/state.safetensors"))
          << stop;
      EXPECT_EQ(stepRows(run), stepRows("whole")) << stop;
    }
  }

  std::vector<nlohmann::json> rowsOf(const std::string &run) {
    std::ifstream file(folder / (run + "/metrics.jsonl"));
    std::vector<nlohmann::json> rows;
    for (std::string line; std::getline(file, line);)
      rows.push_back(nlohmann::json::parse(line));
    return rows;
  }

  /// Over the weights of two runs, relative to the largest.
  double largestRelativeDifference(const std::string &one, const std::string &other) {
    double largest = 0, difference = 0;
    for (const char *name : {"output.weight", "output.bias"}) {
      std::vector<float> a = tensor(one, name), b = tensor(other, name);
      EXPECT_EQ(a.size(), b.size());
      for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
        largest = std::max(largest, std::fabs(double(a[i])));
        if (!(std::fabs(double(a[i]) - b[i]) <= difference))
          difference = std::fabs(double(a[i]) - b[i]);
      }
    }
    return difference / largest;
  }

  /// One tensor of a checkpoint's model.
  std::vector<float> tensor(const std::string &run, const std::string &name,
                            const std::string &slot = "last",
                            const std::string &file = "model.safetensors") {
    auto opened = SafetensorsFile::open(folder / (run + "/checkpoints/" + slot + "/" + file));
    EXPECT_TRUE(succeeds(opened));
    std::vector<float> values(name.find("bias") == std::string::npos ? 7840 : 10);
    EXPECT_TRUE(succeeds(opened->readFloats(name, values.data(), values.size())));
    return values;
  }
};

/// 77 images in updates of 8, each in 4 parts of 2: the last update has 5 rows in 3 parts. The same
/// updates as in one part, and the same numbers of everything that counts updates.
TEST_F(RecipeTest, AccumulatesGradientsOverMicroBatches) {
  auto whole = train({}, "whole");
  auto steps = watcher.steps;
  auto parts = train({.accumulate = 4}, "parts");
  ASSERT_TRUE(succeeds(whole));
  ASSERT_TRUE(succeeds(parts));
  EXPECT_EQ(watcher.steps, steps);
  EXPECT_EQ(parts->steps, 30u);
  EXPECT_NEAR(*parts->testLoss, *whole->testLoss, 1e-5 * *whole->testLoss);
  EXPECT_EQ(*parts->testAccuracy, *whole->testAccuracy);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(watcher.epochs[i].trainLoss, watcher.epochs[3 + i].trainLoss,
                1e-5 * watcher.epochs[i].trainLoss);
  EXPECT_LE(largestRelativeDifference("whole", "parts"), 1e-5);
}

TEST_F(RecipeTest, DivergenceInAMicroBatchOverwritesNothing) {
  EXPECT_TRUE(
      failsWith(train({.lr = 1e30, .accumulate = 4}, "run"), ExitCode::Diverged, "at step 2 "));
  EXPECT_FALSE(pathExists(folder / "run/checkpoints/last"));
}

TEST_F(RecipeTest, ResumesBitForBitWithMicroBatches) {
  resumesFromAnyStep({.epochs = 2, .accumulate = 4}, 7);
}

/// Also where a run is stopped between the last step of an epoch and its row, and gone on with.
TEST_F(RecipeTest, TheNormOfTheGradientIsThatOfAnEpochsLastStep) {
  TinyOptions tiny{.epochs = 2, .accumulate = 4};
  ASSERT_TRUE(succeeds(train(tiny, "whole")));
  watcher.stopAt = 10;
  EXPECT_TRUE(failsWith(train(tiny, "cut"), ExitCode::Stopped, "step 10 "));
  watcher.stopAt = 0;
  ASSERT_TRUE(succeeds(train(tiny, "cut", RunMode::Resume)));
  options.logEvery = 0;
  ASSERT_TRUE(succeeds(train(tiny, "epochs")));
  EXPECT_EQ(weights("epochs"), weights("whole"));
  std::map<uint64_t, double> ofSteps; // by step
  for (const nlohmann::json &row : rowsOf("whole"))
    if (!row.contains("epoch"))
      ofSteps[row["step"]] = row["grad_norm"];
  EXPECT_EQ(ofSteps.size(), 20u);
  EXPECT_GT(ofSteps[20], 0);
  for (const char *run : {"whole", "cut", "epochs"}) {
    size_t epochs = 0;
    for (const nlohmann::json &row : rowsOf(run))
      if (row.contains("epoch") && ++epochs)
        EXPECT_EQ(row["grad_norm"], ofSteps[row["step"]]) << run << row;
    EXPECT_EQ(epochs, 2u) << run;
  }
}

/// The averages follow the weights from their first values; they are what is validated, kept as the
/// best model, and tested; the last model is that of the raw weights.
TEST_F(RecipeTest, TheMovingAverageIsValidatedKeptAndTested) {
  ASSERT_TRUE(succeeds(train({}, "raw")));
  double raw = *watcher.epochs.back().valLoss;
  auto averaged = train({.ema = 0.75}, "ema");
  ASSERT_TRUE(succeeds(averaged));
  EXPECT_EQ(weights("ema"), weights("raw"));
  std::string name = "output.weight";
  EXPECT_EQ(tensor("ema", name, "best"), tensor("ema", name + ".ema", "best", "state.safetensors"));
  EXPECT_NE(tensor("ema", name, "last"), tensor("ema", name + ".ema", "last", "state.safetensors"));
  EXPECT_NE(*watcher.epochs.back().valLoss, raw);

  // A run that only evaluates the best weights sees the same losses.
  std::string best = folder / "ema/checkpoints/best/model.safetensors";
  auto again = train({.epochs = 1, .lr = 0, .init = best}, "again");
  ASSERT_TRUE(succeeds(again));
  EXPECT_EQ(*again->testLoss, *averaged->testLoss);
  EXPECT_EQ(*watcher.epochs.back().valLoss, *watcher.epochs[3 + averaged->bestEpoch - 1].valLoss);
}

TEST_F(RecipeTest, TheMovingAverageStartsAsTheWeights) {
  ASSERT_TRUE(succeeds(train({.lr = 0, .ema = 0.75}, "still")));
  EXPECT_EQ(tensor("still", "output.weight.ema", "last", "state.safetensors"),
            tensor("still", "output.weight"));
  ASSERT_TRUE(succeeds(train({.epochs = 1, .maxSteps = 2, .ema = 0.75}, "two")));
  ASSERT_TRUE(succeeds(train({.epochs = 1, .maxSteps = 1, .ema = 0.75}, "one")));
  auto start = tensor("still", "output.weight"), first = tensor("one", "output.weight"),
       second = tensor("two", "output.weight"),
       average = tensor("two", "output.weight.ema", "last", "state.safetensors");
  for (size_t i = 0; i < start.size(); ++i)
    ASSERT_NEAR(average[i], 0.75 * (0.75 * start[i] + 0.25 * first[i]) + 0.25 * second[i], 1e-6);
}

TEST_F(RecipeTest, ResumesBitForBitWithMovingAverages) {
  resumesFromAnyStep({.epochs = 2, .accumulate = 4, .ema = 0.75}, 6);
}

} // namespace
