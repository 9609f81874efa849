// Whole runs of the tiny model, for the tests of the training loop.
#pragma once

#include "runtime/run/Weights.h"
#include "runtime/step/ModelData.h"
#include "runtime/train/Trainer.h"
#include "test/runtime/support/TempFolder.h"
#include "test/runtime/support/TinyModel.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace danaus::test {

/// Counts what happens; stops or dies at a step where asked.
struct Watcher : TrainObserver {
  uint64_t steps = 0, stopAt = 0, dieAt = 0;
  std::vector<EpochRow> epochs;
  std::string notes;
  std::vector<KernelTimes> times;
  void onKernelTimes(Executor &, uint64_t, const KernelTimes &taken) override {
    times.push_back(taken);
    launches = 0;
    for (const LaunchTime &launch : taken.launches)
      launches += launch.milliseconds >= 0 && launch.launch != nullptr;
  }
  size_t launches = 0; ///< that were timed
  void onStep(const StepProgress &) override {
    if (++steps == dieAt)
      ::_exit(9);
  }
  void onEpoch(const EpochRow &row, uint64_t) override { epochs.push_back(row); }
  void onNote(const std::string &sentence) override { notes += sentence; }
};

/// 77 images train (9 full batches and one of 5), 16 validate: 10 steps an epoch.
class TrainerTest : public ::testing::Test {
protected:
  TempFolder folder;
  Dataset data = tinyDataset(93, 0), test = tinyDataset(29, 1);
  Watcher watcher;
  TrainerOptions options{.logEvery = 1, .stopRequested = {}, .recompile = {}};

  Expected<RunSummary> train(const TinyOptions &tiny, const std::string &run,
                             RunMode mode = RunMode::Fresh, unsigned threads = 1) {
    return trainModel(tinyModel(tiny), run, mode, threads);
  }

  Expected<RunSummary> trainModel(const fb::ModelT &model, const std::string &run, RunMode mode,
                                  unsigned threads) {
    std::string path = folder / "model.dnb";
    if (Status status = writeTinyModel(path, model); !status)
      return status.takeError();
    auto file = ModelFile::open(path);
    if (!file)
      return file.takeError();
    auto device = builtinDevices().create("cpu", {.threads = threads});
    if (!device)
      return device.takeError();
    auto opened = RunFolder::open(folder / run, mode);
    if (!opened)
      return opened.takeError();
    watcher.steps = 0;
    options.stopRequested = [this] { return watcher.steps == watcher.stopAt; };
    return Trainer(*file, **device, data, test, *opened, options, watcher).train();
  }

  std::string weights(const std::string &run, const std::string &slot = "last") {
    return readText(folder / (run + "/checkpoints/" + slot + "/model.safetensors"));
  }

  /// The rows of steps; those of epochs hold times.
  std::string stepRows(const std::string &run) {
    std::ifstream file(folder / (run + "/metrics.jsonl"));
    std::string rows;
    for (std::string line; std::getline(file, line);)
      if (line.find("epoch") == std::string::npos)
        rows += line + "\n";
    return rows;
  }
};

} // namespace danaus::test
