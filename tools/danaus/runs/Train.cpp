// danaus train: trains a model into a run folder.
#include "runtime/base/AtomicFile.h"
#include "runtime/comm/JobCommunicator.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "runtime/device/cuda/StreamAccess.h"
#include "runtime/profile/ProfileJson.h"
#include "runtime/report/Report.h"
#include "runtime/step/ModelData.h"
#include "runtime/train/StopSignals.h"
#include "runtime/train/Trainer.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Process.h"
#include "tools/danaus/runs/Ranks.h"
#include "tools/danaus/runs/TrainPrinter.h"

#include <unistd.h>

namespace danaus::tool {

namespace {
struct TrainArguments : ModelArguments {
  std::string out;
  std::optional<uint64_t> logEvery;
  uint64_t processes = 1, restarts = 0;
  bool resume = false, quiet = false, json = false, printConfig = false;
};
} // namespace

static Expected<CommandLine::Outcome> parse(const Arguments &words, TrainArguments &into) {
  CommandLine line(
      "train",
      "Trains a model: epochs with validation, checkpoints that survive a crash, the\n"
      "test set once at the end with the weights that were best on validation.\n"
      "Ctrl-C or SIGTERM saves and ends with exit code 75; --resume goes on from there,\n"
      "bit for bit. Started by torchrun, srun or mpirun it is one of their processes.",
      {"danaus train models/mnist_mlp_low_rank.yaml",
       "danaus train models/mnist_mlp.yaml train.epochs=3 --out runs/short",
       "danaus train models/mnist_mlp.yaml --nproc 4", "danaus train runs/short --resume"});
  constexpr uint64_t notGiven = UINT64_MAX;
  uint64_t logEvery = notGiven;
  into.declareModel(line);
  line.option(into.out, "--out", "DIR",
              "the run's folder, new or empty [runs/<name of the model>]");
  into.declareDevice(line);
  line.flag(into.resume, "--resume", "go on with the run in DIR from its last checkpoint");
  line.option(into.processes, "--nproc", "start so many processes that share each batch [1]");
  line.option(into.restarts, "--max-restarts",
              "with --nproc: when one dies, start again from the last checkpoint, so often [0]");
  line.option(
      logEvery, "--log-every",
      "write the loss of every Nth step to metrics.jsonl, 0: of none [log.every of the spec]");
  line.flag(into.quiet, "--quiet", "no progress on stderr");
  line.flag(into.json, "--json", "print the summary as JSON instead of the table");
  line.flag(into.printConfig, "--print-config", "print the spec with all defaults and stop");
  auto outcome = line.parse(words);
  if (logEvery != notGiven)
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

/// The others of the job, or nobody.
static Expected<std::unique_ptr<Communicator>> joinOthers(const RankEnvironment &environment,
                                                          const ModelFile &file, Device &device,
                                                          std::vector<int> cores) {
  if (environment.isAlone())
    return std::unique_ptr<Communicator>(std::make_unique<SoloCommunicator>());
  fb::DistBackend backend = file.model().dist()->backend();
  JoinOptions options;
  options.backend = backend == fb::DistBackend::Nccl   ? SumBackend::Nccl
                    : backend == fb::DistBackend::Gloo ? SumBackend::Gloo
                                                       : SumBackend::Auto;
  options.onNote = [&](const std::string &sentence) {
    if (environment.rank == 0)
      std::fprintf(stderr, "note: %s\n", sentence.c_str());
  };
  options.timeout = std::chrono::seconds(file.model().dist()->timeout_s());
  options.joinTimeout = options.timeout;
  options.onStep = stepReporter(environment.rank);
  options.cores = std::move(cores);
  return danaus::joinRanks(environment, device, options);
}

/// Only rank 0 looks at the folder.
static Expected<RunFolder> openRun(const TrainArguments &arguments, const ModelFile &file,
                                   const Communicator &ranks) {
  RunMode mode = arguments.resume ? RunMode::Resume : RunMode::Fresh;
  std::string path = runPath(arguments, file.model());
  return ranks.isFirst() ? RunFolder::open(path, mode) : RunFolder::ofOtherRank(path, mode);
}

namespace {

/// Writes the times of each phase's kernels beside what the printer shows.
class RunObserver : public TrainPrinter {
public:
  RunObserver(TableStyle table, ProgressStyle progress, const RunFolder &run,
              std::optional<Roofline> roofline)
      : TrainPrinter(table, progress), run(run), roofline(std::move(roofline)) {}

  void onKernelTimes(Executor &executor, uint64_t phase, const KernelTimes &times) override {
    StepProfile profile =
        profileOf(executor, {times.launches, times.steps, times.milliseconds, times.waits});
    std::string taken =
        format("means of the steps %llu to %llu of the run", (unsigned long long)times.firstStep,
               (unsigned long long)(times.firstStep + times.steps - 1));
    if (!executor.ranks().isAlone())
      taken += " on rank 0";
    Status written = writeFileAtomically(
        run.file(profileFileName(phase)),
        profileJson({Measured::Update, executor, profile, taken, roofline, nullptr, ""}));
    if (!written) // training is worth more than its report
      onNote(written.error().message());
  }

private:
  const RunFolder &run;
  std::optional<Roofline> roofline;
};

/// The limits that the report shows kernels beside, where it has times of them.
std::optional<Roofline> rooflineFor(const fb::Model &model, Device &device) {
  if (!model.training()->timed_steps() || device.kind() == "vgpu") // which is not timed
    return std::nullopt;
  return rooflineOf(device, cacheFolder());
}

} // namespace

/// The page of a run that is finished, was stopped or diverged; what ended it goes before an error
/// of the page.
static Status endRun(const RunFolder &run, Status ended) {
  if (!ended && ended.error().code() != ExitCode::Stopped &&
      ended.error().code() != ExitCode::Diverged)
    return ended;
  Status written = writeReport(run.path());
  if (!ended && !written)
    std::fprintf(stderr, "note: %s\n", written.error().message().c_str());
  return ended ? std::move(written) : std::move(ended);
}

static Status trainWith(const TrainArguments &arguments, const ModelFile &file, Device &device,
                        Communicator &ranks) {
  // All data are there before anything is written; the test images are looked at once, at the end.
  Expected<Dataset> data = loadModelData(file.model(), Portion::Train);
  if (!data)
    return data.takeError();
  Expected<Dataset> test = loadModelData(file.model(), Portion::Test);
  if (!test)
    return test.takeError();
  Expected<RunFolder> run = openRun(arguments, file, ranks);
  if (!run)
    return run.takeError();

  StopSignals signals;
  bool isFirst = ranks.isFirst();
  RunObserver printer(arguments.json || !isFirst ? TableStyle::Off : TableStyle::On,
                      arguments.quiet || !isFirst ? ProgressStyle::Off
                                                  : progressStyleOf(STDERR_FILENO),
                      *run, isFirst ? rooflineFor(file.model(), device) : std::nullopt);
  TrainerOptions options;
  options.openInit = [](const std::string &path) { return openWeights("", path); };
  options.logEvery = arguments.logEvery.value_or(file.model().training()->log_every());
  options.stopRequested = [&] { return signals.requested(); };
  options.recompile = compileAgain;
  Trainer trainer(file, device, *data, *test, *run, options, printer, &ranks);
  Expected<RunSummary> summary = trainer.train();
  printer.clearLine();
  if (!isFirst)
    return summary ? Status::ok() : Status(summary.takeError());
  if (summary && arguments.json)
    std::fputs(summaryJson(*summary).c_str(), stdout);
  else if (summary)
    printer.printResult(*summary, *run);
  return endRun(*run, summary ? Status::ok() : Status(summary.takeError()));
}

/// "cuda" of several ranks on a host is a GPU each, unless the launcher shows each its own.
static Expected<std::string> deviceOf(const std::string &device,
                                      const RankEnvironment &environment) {
  if (environment.localSize < 2 || (device != "cuda" && device != "vgpu"))
    return device;
  unsigned count = cuda::deviceCount(device == "vgpu");
  if (device == "vgpu" || count < 2) // virtual ones are each process' own
    return device;
  if (environment.localSize > count)
    return Error(ExitCode::DeviceUnavailable,
                 format("%u ranks on this host, and %u GPUs: start as many ranks as there are GPUs",
                        environment.localSize, count));
  return format("%s:%u", device.c_str(), environment.localRank);
}

/// Where weights are going to choose ranks rank 0 compiles the model again: better refused now than
/// after the phases before.
static Status checkRankCompiler(const fb::Model &model, const RankEnvironment &environment) {
  for (const fb::Phase *phase : *model.phases())
    if (phase->rank_rules() && phase->rank_rules()->size() && environment.rank == 0)
      return checkCompiler("training " + model.name()->str() + ", whose weights choose its ranks,");
  return Status::ok();
}

static Status train(TrainArguments arguments, const ModelFile &file,
                    const RankEnvironment &environment) {
  std::vector<int> cores = affinityCpus();
  if (arguments.device == "cpu")
    takeShareOfCores(environment);
  auto name = deviceOf(arguments.device, environment);
  if (!name)
    return name.takeError();
  arguments.device = *name;
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  if (Status status = Executor::checkPlans(file, **device); !status)
    return status;
  if (Status status = checkRankCompiler(file.model(), environment); !status)
    return status;
  auto ranks = joinOthers(environment, file, **device, std::move(cores));
  if (!ranks)
    return leaveToLauncher(ranks.takeError());
  Status status = trainWith(arguments, file, **device, **ranks);
  // All stop together; everything else the others do not know yet.
  if (!status && status.error().code() != ExitCode::Stopped)
    (*ranks)->fail(status.error());
  return leaveToLauncher(std::move(status));
}

/// The processes that --nproc asks for.
static Status launch(const TrainArguments &arguments, const Arguments &words,
                     const ModelFile &file) {
  RankJob job;
  job.count = unsigned(arguments.processes);
  job.restarts = arguments.restarts;
  job.run = runPath(arguments, file.model());
  job.words = {programBeside("danaus"), "train"};
  job.words.insert(job.words.end(), words.begin(), words.end());
  if (arguments.out.empty())
    job.words.insert(job.words.end(), {"--out", job.run});
  return runRanks(job);
}

/// Numbers out of range, and contradictions between the command line and what started this process.
static Status checkNumbers(const TrainArguments &arguments, const RankEnvironment &environment) {
  constexpr uint64_t most = 1024;
  if (arguments.processes < 1 || arguments.processes > most)
    return Error(ExitCode::Usage, format("--nproc takes a number of processes from 1 to %llu",
                                         (unsigned long long)most));
  if (arguments.processes > 1 && !environment.isAlone() && environment.launcher != launchedByUs)
    return Error(ExitCode::Usage,
                 format("--nproc %llu, but %s has started this as rank %u of %u: leave --nproc out",
                        (unsigned long long)arguments.processes, environment.launcher.c_str(),
                        environment.rank, environment.size));
  constexpr uint64_t mostSteps = 1ull << 40; // as log.every
  if (arguments.logEvery.value_or(0) > mostSteps)
    return Error(ExitCode::Usage, format("--log-every takes a number of steps from 0 to %llu",
                                         (unsigned long long)mostSteps));
  if (arguments.restarts && arguments.processes == 1)
    return Error(ExitCode::Usage, "--max-restarts needs --nproc: otherwise nobody is left to start "
                                  "again; torchrun has --max-restarts of its own");
  return Status::ok();
}

Status runTrain(const Arguments &words) {
  TrainArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  auto environment = readRankEnvironment();
  if (!environment)
    return environment.takeError();
  if (Status status = checkNumbers(arguments, *environment); !status)
    return status;
  bool launches = arguments.processes > 1 && environment->isAlone();
  arguments.ranks = launches ? arguments.processes : environment->size;
  Expected<CompiledModel> model = openModel(arguments);
  if (!model)
    return model.takeError();
  if (!arguments.printConfig)
    return launches ? launch(arguments, words, model->file)
                    : train(arguments, model->file, *environment);
  std::fputs(model->file.model().spec()->c_str(), stdout);
  return Status::ok();
}

} // namespace danaus::tool
