// danaus train: trains a model into a run folder.
#include "runtime/base/File.h"
#include "runtime/train/ModelData.h"
#include "runtime/train/StopSignals.h"
#include "runtime/train/Trainer.h"
#include "tools/danaus/OpenModel.h"
#include "tools/danaus/TrainPrinter.h"

#include <unistd.h>

namespace danaus::tool {

namespace {
struct TrainArguments : ModelArguments {
  std::string out;
  std::optional<uint64_t> logEvery;
  bool resume = false, quiet = false, json = false, printConfig = false;
};
} // namespace

static Expected<CommandLine::Outcome> parse(const Arguments &words, TrainArguments &into) {
  CommandLine line(
      "train",
      "Trains a model: epochs with validation, checkpoints that survive a crash, the\n"
      "test set once at the end with the weights that were best on validation.\n"
      "Ctrl-C or SIGTERM saves and ends with exit code 75; --resume goes on from there,\n"
      "bit for bit.",
      {"danaus train models/mnist_mlp_low_rank.yaml",
       "danaus train models/mnist_mlp.yaml train.epochs=3 --out runs/short",
       "danaus train runs/short --resume"});
  uint64_t logEvery = UINT64_MAX;
  into.declareModel(line);
  line.option(into.out, "--out", "DIR",
              "the run's folder, new or empty [runs/<name of the model>]");
  into.declareDevice(line);
  line.flag(into.resume, "--resume", "go on with the run in DIR from its last checkpoint");
  line.option(logEvery, "--log-every", "write the loss of every Nth step to metrics.jsonl");
  line.flag(into.quiet, "--quiet", "no progress on stderr");
  line.flag(into.json, "--json", "print the summary as JSON instead of the table");
  line.flag(into.printConfig, "--print-config", "print the spec with all defaults and stop");
  auto outcome = line.parse(words);
  if (logEvery != UINT64_MAX)
    into.logEvery = logEvery;
  return outcome;
}

/// runs/<name>, runs/<name>-2, ...: the first that is free, or to resume the latest that is there.
static std::string defaultFolder(const std::string &name, RunMode mode) {
  std::string base = "runs/" + name, latest = base;
  for (unsigned number = 2;; ++number) {
    std::string next = number == 2 ? base : format("%s-%u", base.c_str(), number - 1);
    if (!pathExists(next))
      return mode == RunMode::Fresh ? next : latest;
    latest = next;
  }
}

static std::string runPath(const TrainArguments &arguments, const fb::Model &model) {
  if (!arguments.out.empty())
    return arguments.out;
  if (arguments.resume && isFolder(arguments.model))
    return arguments.model;
  return defaultFolder(model.name()->str(), arguments.resume ? RunMode::Resume : RunMode::Fresh);
}

static Status train(const TrainArguments &arguments, const ModelFile &file) {
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  if (Status status = Executor::checkPlans(file, **device); !status)
    return status;
  // All data are there before anything is written; the test images are looked at once, at the end.
  Expected<Dataset> data = loadModelData(file.model(), Portion::Train);
  if (!data)
    return data.takeError();
  Expected<Dataset> test = loadModelData(file.model(), Portion::Test);
  if (!test)
    return test.takeError();
  Expected<RunFolder> run = RunFolder::open(runPath(arguments, file.model()),
                                            arguments.resume ? RunMode::Resume : RunMode::Fresh);
  if (!run)
    return run.takeError();

  StopSignals signals;
  TrainPrinter printer(arguments.json ? TableStyle::Off : TableStyle::On,
                       arguments.quiet ? ProgressStyle::Off : progressStyleOf(STDERR_FILENO));
  TrainerOptions options;
  options.openInit = [](const std::string &path) { return openWeights("", path); };
  options.logEvery = arguments.logEvery.value_or(file.model().training()->log_every());
  options.stopRequested = [&] { return signals.requested(); };
  Trainer trainer(file, **device, *data, *test, *run, options, printer);
  Expected<RunSummary> summary = trainer.train();
  printer.clearLine();
  if (!summary)
    return summary.takeError();
  if (arguments.json)
    std::fputs(summaryJson(*summary).c_str(), stdout);
  else
    printer.printResult(*summary, *run);
  return Status::ok();
}

Status runTrain(const Arguments &words) {
  TrainArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  Expected<CompiledModel> model = openModel(arguments);
  if (!model)
    return model.takeError();
  if (!arguments.printConfig)
    return train(arguments, model->file);
  std::fputs(model->file.model().spec()->c_str(), stdout);
  return Status::ok();
}

} // namespace danaus::tool
