// The training loop on the tiny model: what it computes, what it leaves behind, and every way in
// which it ends.
#include "test/runtime/train/TrainerTest.h"

#include "runtime/train/StopSignals.h"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using namespace danaus;
using namespace danaus::test;

namespace {

TEST_F(TrainerTest, LearnsAndLeavesAWholeRun) {
  auto summary = train({.epochs = 6}, "run");
  ASSERT_TRUE(succeeds(summary));
  EXPECT_EQ(summary->steps, 60u);
  EXPECT_EQ(summary->epochs, 6u);
  ASSERT_EQ(watcher.epochs.size(), 6u);
  EXPECT_LT(watcher.epochs.back().trainLoss, 0.7 * watcher.epochs.front().trainLoss);
  EXPECT_GT(*summary->testAccuracy, 0.5);
  EXPECT_EQ(*summary->bestValAccuracy, *watcher.epochs[summary->bestEpoch - 1].valAccuracy);
  for (const char *name : {"config.yaml", "model.dnb", "metrics.jsonl", "metrics.csv",
                           "summary.json", "environment.json", "checkpoints/best/model.safetensors",
                           "checkpoints/last/state.safetensors"})
    EXPECT_TRUE(pathExists(folder / ("run/" + std::string(name)))) << name;
  EXPECT_EQ(readText(folder / "run/config.yaml"), "name: tiny\n");
  EXPECT_EQ(readText(folder / "run/model.dnb"), readText(folder / "model.dnb"));
}

TEST_F(TrainerTest, ThreadsDoNotChangeAnything) {
  ASSERT_TRUE(succeeds(train({}, "one", RunMode::Fresh, 1)));
  ASSERT_TRUE(succeeds(train({}, "two", RunMode::Fresh, 2)));
  EXPECT_EQ(weights("one"), weights("two"));
  EXPECT_EQ(stepRows("one"), stepRows("two"));
}

/// The steps that are timed are those of the run: nothing is added, and no weight is another.
TEST_F(TrainerTest, TimesTheKernelsOfSomeSteps) {
  ASSERT_TRUE(succeeds(train({.epochs = 2}, "plain")));
  EXPECT_TRUE(watcher.times.empty());
  fb::ModelT model = tinyModel({.epochs = 2});
  for (auto [wanted, first, steps] :
       {std::tuple(3u, 6u, 3u), std::tuple(100u, 6u, 5u)}) { // of ten steps, five run before
    model.training->timed_steps = wanted;
    watcher.times.clear();
    std::string name = format("timed-%u", wanted);
    ASSERT_TRUE(succeeds(trainModel(model, name, RunMode::Fresh, 1)));
    ASSERT_EQ(watcher.times.size(), 1u);
    EXPECT_EQ(watcher.times[0].firstStep, first);
    EXPECT_EQ(watcher.times[0].steps, steps);
    EXPECT_GT(watcher.times[0].milliseconds, watcher.times[0].waits.input);
    EXPECT_GT(watcher.times[0].waits.input, 0);
    EXPECT_EQ(watcher.times[0].waits.communication, 0);
    EXPECT_EQ(watcher.launches, model.phases[0]->targets[0]->programs[0]->stages.size());
    EXPECT_EQ(weights("plain"), weights(name));
    EXPECT_EQ(stepRows("plain"), stepRows(name));
  }
}

TEST_F(TrainerTest, SeedsMatter) {
  ASSERT_TRUE(succeeds(train({.seed = 1}, "one")));
  ASSERT_TRUE(succeeds(train({.seed = 2}, "two")));
  EXPECT_NE(weights("one"), weights("two"));
}

/// With a learning rate of 0 every batch sees the same weights, so that the epoch's loss is the
/// mean over all images: padded rows must not count, and the short batch not more than its rows.
TEST_F(TrainerTest, ShortBatchIsMasked) {
  ASSERT_TRUE(succeeds(train({.epochs = 2, .validation = 0, .lr = 0}, "still")));
  ASSERT_EQ(watcher.epochs.size(), 2u);
  EXPECT_NEAR(watcher.epochs[0].trainLoss, watcher.epochs[1].trainLoss, 1e-6);
  // The same images as the test set, where nothing is shuffled.
  test = data;
  auto summary = train({.epochs = 1, .validation = 0, .lr = 0}, "again");
  ASSERT_TRUE(succeeds(summary));
  EXPECT_NEAR(*summary->testLoss, watcher.epochs[0].trainLoss, 1e-6);
}

TEST_F(TrainerTest, ResumesBitForBitFromAnyStep) {
  TinyOptions tiny{.epochs = 2};
  ASSERT_TRUE(succeeds(train(tiny, "whole")));
  for (uint64_t stop = 1; stop <= 20; ++stop) {
    std::string run = "cut" + std::to_string(stop);
    watcher.stopAt = stop;
    EXPECT_TRUE(failsWith(train(tiny, run), ExitCode::Stopped, format("step %d ", int(stop))));
    watcher.stopAt = 0;
    ASSERT_TRUE(succeeds(train(tiny, run, RunMode::Resume)));
    EXPECT_EQ(watcher.steps, 20 - stop);
    EXPECT_EQ(weights(run), weights("whole")) << stop;
    EXPECT_EQ(weights(run, "best"), weights("whole", "best")) << stop;
    EXPECT_EQ(stepRows(run), stepRows("whole")) << stop;
  }
}

/// A process that dies between two checkpoints: resuming takes the steps after the last one again.
TEST_F(TrainerTest, ResumesAfterACrash) {
  TinyOptions tiny{.epochs = 2, .everyNSteps = 3};
  ASSERT_TRUE(succeeds(train(tiny, "whole")));
  pid_t child = ::fork();
  if (child == 0) {
    watcher.dieAt = 8;
    (void)train(tiny, "killed");
    ::_exit(1);
  }
  int state = 0;
  ::waitpid(child, &state, 0);
  ASSERT_EQ(WEXITSTATUS(state), 9);
  ASSERT_TRUE(succeeds(train(tiny, "killed", RunMode::Resume)));
  EXPECT_EQ(watcher.steps, 14u);
  EXPECT_EQ(weights("killed"), weights("whole"));
  EXPECT_EQ(stepRows("killed"), stepRows("whole"));
}

TEST_F(TrainerTest, ResumingAFinishedRunTrainsNothing) {
  ASSERT_TRUE(succeeds(train({}, "run")));
  auto again = train({}, "run", RunMode::Resume);
  ASSERT_TRUE(succeeds(again));
  EXPECT_EQ(watcher.steps, 0u);
  EXPECT_EQ(again->steps, 30u);
}

TEST_F(TrainerTest, ResumeRefusesAnotherSpec) {
  ASSERT_TRUE(succeeds(train({}, "run")));
  std::string before = weights("run");
  EXPECT_TRUE(failsWith(train({.spec = "name: other\n"}, "run", RunMode::Resume),
                        ExitCode::CheckpointInvalid, "another spec"));
  EXPECT_EQ(weights("run"), before);
}

/// Where the state lies, and what a run shows, is not what it trains; older versions had no such
/// keys.
TEST_F(TrainerTest, ResumeTakesAnotherWayOfSharding) {
  auto with = [](const std::string &more) {
    return "name: tiny\ndist: {backend: auto, timeout_s: 60" + more + "}\n";
  };
  ASSERT_TRUE(succeeds(train({.spec = with("")}, "run")));
  for (const char *more : {", sharded: false", ", sharded: true", ""})
    EXPECT_TRUE(succeeds(train({.spec = with(more)}, "run", RunMode::Resume))) << more;
  EXPECT_TRUE(failsWith(train({.spec = with(", bucket_mb: 1")}, "run", RunMode::Resume),
                        ExitCode::CheckpointInvalid, "another spec"));
}

TEST_F(TrainerTest, ResumeWithoutACheckpointStartsAgain) {
  pid_t child = ::fork();
  if (child == 0) {
    watcher.dieAt = 4;
    (void)train({}, "run");
    ::_exit(1);
  }
  ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(succeeds(train({}, "run", RunMode::Resume)));
  EXPECT_NE(watcher.notes.find("no checkpoint yet"), std::string::npos);
  EXPECT_EQ(watcher.steps, 30u);
}

TEST_F(TrainerTest, MaxStepsEndsTheRun) {
  auto summary = train({.epochs = 5, .maxSteps = 13}, "run");
  ASSERT_TRUE(succeeds(summary));
  EXPECT_EQ(summary->steps, 13u);
  EXPECT_EQ(watcher.epochs.size(), 2u);
}

TEST_F(TrainerTest, DivergenceOverwritesNothing) {
  auto result = train({.lr = 1e30}, "run");
  EXPECT_TRUE(failsWith(result, ExitCode::Diverged, "optimizer.lr"));
  EXPECT_TRUE(failsWith(result, ExitCode::Diverged, "at step 2 "));
  EXPECT_TRUE(failsWith(result, ExitCode::Diverged, "there was no checkpoint yet"));
  EXPECT_FALSE(pathExists(folder / "run/checkpoints/last"));
  EXPECT_FALSE(pathExists(folder / "run/summary.json"));
}

/// One step an epoch: no later step would see the bad weights, the check before saving must.
TEST_F(TrainerTest, WeightsThatAreNotFiniteAreNeverSaved) {
  data = tinyDataset(8);
  EXPECT_TRUE(failsWith(train({.epochs = 1, .validation = 0, .lr = 1e39}, "run"),
                        ExitCode::Diverged, "holds NaN or Inf"));
  EXPECT_FALSE(pathExists(folder / "run/checkpoints/last"));
}

TEST_F(TrainerTest, WithoutValidationTheLastEpochIsBest) {
  auto summary = train({.validation = 0}, "run");
  ASSERT_TRUE(succeeds(summary));
  EXPECT_FALSE(summary->bestValAccuracy);
  EXPECT_EQ(summary->bestEpoch, 3u);
  EXPECT_FALSE(watcher.epochs.back().valLoss);
  EXPECT_EQ(weights("run", "best"), weights("run", "last"));
}

TEST_F(TrainerTest, StartsFromGivenWeights) {
  ASSERT_TRUE(succeeds(train({}, "first")));
  std::string init = folder / "first/checkpoints/last/model.safetensors";
  ASSERT_TRUE(succeeds(train({.lr = 0, .init = init}, "second")));
  EXPECT_EQ(weights("second"), weights("first"));
}

TEST_F(TrainerTest, WrongInitNamesTheTensorsAndLeavesNothing) {
  std::vector<float> values(7840);
  TensorRef tensors[] = {{"output.weight", {784, 10}, values.data()},
                         {"outptu.bias", {10}, values.data()}};
  ASSERT_TRUE(succeeds(writeSafetensors(folder / "init.safetensors", tensors)));
  auto result = train({.init = folder / "init.safetensors"}, "run");
  EXPECT_TRUE(failsWith(result, ExitCode::CheckpointInvalid, "output.weight"));
  EXPECT_TRUE(failsWith(result, ExitCode::CheckpointInvalid, "outptu.bias"));
  EXPECT_FALSE(pathExists(folder / "run/config.yaml"));
  EXPECT_TRUE(failsWith(train({.init = folder / "absent.safetensors"}, "run"),
                        ExitCode::CheckpointInvalid, "absent.safetensors"));
}

TEST_F(TrainerTest, MoreValidationThanImages) {
  EXPECT_TRUE(failsWith(train({.validation = 93}, "run"), ExitCode::DataInvalid, "93"));
}

TEST(StopSignals, TheFirstIsAFlagAndTheSecondEnds) {
  {
    StopSignals signals;
    EXPECT_FALSE(signals.requested());
    ::raise(SIGTERM);
    EXPECT_TRUE(signals.requested());
    EXPECT_EXIT(::raise(SIGINT), ::testing::KilledBySignal(SIGINT), "");
  }
  StopSignals again;
  EXPECT_FALSE(again.requested());
}

} // namespace
