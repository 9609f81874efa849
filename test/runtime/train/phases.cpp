// The training loop over the border of two phases, on the tiny model: what is carried over, what
// begins anew, and that it makes no difference where a run is interrupted. Both phases have the
// same structure; those that convert are in test/training/phases_run.py.
#include "test/runtime/train/TrainerTest.h"

#include <sys/wait.h>

using namespace danaus;
using namespace danaus::test;

namespace {

/// Dies where asked: the process is gone as by a signal.
struct BorderWatcher : Watcher {
  enum { Never, AtEpoch, AtBorder, AtPhase } dieIn = Never;
  uint64_t borders = 0;
  std::vector<uint64_t> phases;
  BorderReport report;
  void onEpoch(const EpochRow &row, uint64_t best) override {
    Watcher::onEpoch(row, best);
    if (dieIn == AtEpoch && row.epoch == 2)
      ::_exit(9);
  }
  void onBorder(const BorderReport &at) override {
    ++borders;
    report = at;
    if (dieIn == AtBorder)
      ::_exit(9);
  }
  void onPhase(Executor &, uint64_t phase) override {
    phases.push_back(phase);
    if (dieIn == AtPhase && phase == 2)
      ::_exit(9);
  }
};

class PhasesTest : public TrainerTest {
protected:
  /// Two epochs, then one.
  static fb::ModelT twoPhases(bool projects, double scale = 1) {
    TinyOptions tiny{.epochs = 3};
    fb::ModelT model = tinyModel(tiny);
    fb::ModelT other = tinyModel(tiny);
    model.phases[0]->epochs = 2;
    model.phases.push_back(std::move(other.phases[0]));
    model.phases[1]->epochs = 1;
    model.phases[1]->projects_state = projects;
    model.phases[1]->lr_scale = scale;
    return model;
  }

  Expected<RunSummary> run(const fb::ModelT &model, const std::string &name,
                           BorderWatcher &observer, RunMode mode = RunMode::Fresh) {
    std::string path = folder / "model.dnb";
    if (Status status = writeTinyModel(path, model); !status)
      return status.takeError();
    auto file = ModelFile::open(path);
    auto device = builtinDevices().create("cpu", {.threads = 1});
    auto opened = RunFolder::open(folder / name, mode);
    if (!file || !device || !opened)
      return Error(ExitCode::Internal, "the test is broken");
    options.stopRequested = [&] { return observer.steps == observer.stopAt; };
    return Trainer(*file, **device, data, test, *opened, options, observer).train();
  }
};

TEST_F(PhasesTest, SameStructureAndStateAreOneRun) {
  ASSERT_TRUE(succeeds(train({.epochs = 3}, "one")));
  BorderWatcher observer;
  ASSERT_TRUE(succeeds(run(twoPhases(true), "two", observer)));
  EXPECT_EQ(stepRows("two"), stepRows("one"));
  EXPECT_EQ(weights("two"), weights("one"));
  EXPECT_EQ(observer.phases, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(observer.borders, 1u);
  EXPECT_EQ(observer.report.phase, 2u);
  EXPECT_EQ(observer.report.epoch, 2u);
  EXPECT_TRUE(observer.report.layers.empty());
  EXPECT_EQ(observer.report.lossBefore, observer.report.lossAfter);
  EXPECT_NE(readText(folder / "two/phase-2.json").find("\"epoch\": 2"), std::string::npos);
}

/// A new optimizer: the first update of the phase is that of a run that starts from the weights.
TEST_F(PhasesTest, ResetForgetsTheMomentum) {
  BorderWatcher kept, reset;
  ASSERT_TRUE(succeeds(run(twoPhases(true), "kept", kept)));
  ASSERT_TRUE(succeeds(run(twoPhases(false), "reset", reset)));
  std::string a = stepRows("kept"), b = stepRows("reset");
  size_t border = a.find("{\"step\": 22,");
  ASSERT_NE(border, std::string::npos);
  EXPECT_EQ(a.substr(0, border), b.substr(0, border)); // the loss of step 21 is before its update
  EXPECT_NE(a, b);
}

/// What is tested in the end has the structure of the last phase.
TEST_F(PhasesTest, BestIsOfTheLastPhase) {
  BorderWatcher observer;
  auto summary = run(twoPhases(false), "run", observer);
  ASSERT_TRUE(succeeds(summary));
  EXPECT_EQ(summary->bestEpoch, 3u);
  EXPECT_EQ(*summary->bestValAccuracy, *observer.epochs[2].valAccuracy);
}

TEST_F(PhasesTest, ScalesTheRate) {
  BorderWatcher observer;
  ASSERT_TRUE(succeeds(run(twoPhases(false, 0.5), "run", observer)));
  EXPECT_EQ(observer.epochs[1].lr, 0.002);
  EXPECT_EQ(observer.epochs[2].lr, 0.001);
}

TEST_F(PhasesTest, ResumesBitForBitFromAnyStep) {
  BorderWatcher whole;
  ASSERT_TRUE(succeeds(run(twoPhases(false), "whole", whole)));
  for (uint64_t stop : {1, 10, 18, 19, 20, 21, 22, 29, 30}) {
    std::string name = "cut" + std::to_string(stop);
    BorderWatcher observer;
    observer.stopAt = stop;
    EXPECT_TRUE(failsWith(run(twoPhases(false), name, observer), ExitCode::Stopped,
                          format("step %d ", int(stop))));
    BorderWatcher rest;
    rest.stopAt = UINT64_MAX;
    ASSERT_TRUE(succeeds(run(twoPhases(false), name, rest, RunMode::Resume)));
    EXPECT_EQ(rest.borders, stop <= 20 ? 1u : 0u) << stop;
    EXPECT_EQ(weights(name), weights("whole")) << stop;
    EXPECT_EQ(weights(name, "best"), weights("whole", "best")) << stop;
    EXPECT_EQ(stepRows(name), stepRows("whole")) << stop;
  }
}

/// Before the border, with the checkpoint of the old phase; in it; and behind it.
TEST_F(PhasesTest, ResumesAfterACrashAtTheBorder) {
  BorderWatcher whole;
  ASSERT_TRUE(succeeds(run(twoPhases(false), "whole", whole)));
  for (auto place : {BorderWatcher::AtEpoch, BorderWatcher::AtBorder, BorderWatcher::AtPhase}) {
    std::string name = "crash" + std::to_string(int(place));
    pid_t child = ::fork();
    if (child == 0) {
      BorderWatcher observer;
      observer.stopAt = UINT64_MAX;
      observer.dieIn = place;
      (void)run(twoPhases(false), name, observer);
      ::_exit(1);
    }
    int state = 0;
    ASSERT_EQ(::waitpid(child, &state, 0), child);
    ASSERT_TRUE(WIFEXITED(state) && WEXITSTATUS(state) == 9);
    BorderWatcher rest;
    rest.stopAt = UINT64_MAX;
    ASSERT_TRUE(succeeds(run(twoPhases(false), name, rest, RunMode::Resume)));
    EXPECT_EQ(weights(name), weights("whole")) << name;
    EXPECT_EQ(stepRows(name), stepRows("whole")) << name;
  }
}

TEST_F(PhasesTest, MaxStepsAtTheBorderEndsBeforeIt) {
  fb::ModelT model = twoPhases(false);
  model.training->max_steps = 20;
  BorderWatcher observer;
  auto summary = run(model, "run", observer);
  ASSERT_TRUE(succeeds(summary));
  EXPECT_EQ(observer.borders, 0u);
  EXPECT_EQ(summary->steps, 20u);
}

} // namespace
