// danaus bench: the time of a step, images per second and peak memory.
#include "runtime/device/Checks.h"
#include "runtime/measure/Measure.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Text.h"
#include "tools/danaus/measure/BenchCompare.h"

namespace danaus::tool {

namespace {
struct BenchArguments : ModelArguments {
  bool forward = false, perKernel = false, json = false;
  uint64_t batch = 0, seconds = 3, rounds = 5;
  std::string other;
  MeasureOptions measure;
  Measured what() const { return forward ? Measured::Evaluation : Measured::Update; }
};
} // namespace

static Expected<CommandLine::Outcome> parse(const Arguments &words, BenchArguments &into) {
  CommandLine line(
      "bench",
      "Measures a compiled step on made-up data: a warm-up, then 3 seconds (at least 5 steps)\n"
      "or N repeats. The time of a step is the median. A training step is a whole update, with\n"
      "train.accumulate all of its micro-batches. With --compare two models are measured in\n"
      "turns, round by round; every round has the seconds or repeats that are given.",
      {"danaus bench models/mnist_mlp.yaml --threads 2",
       "danaus bench models/mnist_mlp.yaml --forward --batch 1000 --json",
       "danaus bench mlp.dnb --per-kernel",
       "danaus bench models/vit_s16_monarch.yaml --compare models/vit_s16.yaml --batch 8"});
  into.declareModel(line);
  line.flag(into.forward, "--forward", "an evaluation step instead of a training step");
  line.option(into.batch, "--batch", "compile for this batch size (train.batch_size)");
  line.option(into.measure.repeats, "--repeats", "this many steps instead of a time");
  line.option(into.seconds, "--seconds", "how long to repeat the step [3]");
  line.flag(into.perKernel, "--per-kernel", "a row for each launch; with --json \"launches\"");
  line.option(into.other, "--compare", "MODEL", "measure this model too, in turns");
  line.option(into.rounds, "--rounds", "with --compare: how many [5]");
  into.declareDevice(line);
  into.declarePhase(line);
  line.flag(into.json, "--json", "print one JSON object");
  auto outcome = line.parse(words);
  into.measure.seconds = double(into.seconds);
  if (outcome && !into.other.empty() && into.perKernel)
    return Error(ExitCode::Usage, "--per-kernel and --compare: choose one");
  if (outcome && into.rounds == 0)
    return Error(ExitCode::Usage, "--rounds: at least 1");
  return outcome;
}

static std::string rate(double amount, double milliseconds) {
  return milliseconds > 0 ? format("%.1f", amount / milliseconds * 1e-6) : "-";
}

/// Times are those of all threads together: their sum is about threads x the time of a step.
static void printLaunches(Executor &executor, const std::vector<LaunchTime> &times) {
  using enum Table::Align;
  double sum = 0;
  for (const LaunchTime &time : times)
    sum += time.milliseconds;
  Table table({Left, Left, Right, Right, Right, Right, Right});
  table.row({"launch", "kind", "tiles", "thread us", "share", "GFLOP/s", "GB/s"});
  for (const LaunchTime &time : times) {
    const fb::Kernel &kernel = *executor.plan().kernels()->Get(time.launch->kernel());
    table.row({time.launch->label()->str(), kernel.kind()->str(), thousands(kernel.tiles()),
               format("%.1f", 1e3 * time.milliseconds),
               format("%.1f %%", sum > 0 ? 100 * time.milliseconds / sum : 0),
               rate(double(time.launch->flops()), time.milliseconds),
               rate(double(time.launch->bytes()), time.milliseconds)});
  }
  std::fputs(table.text().c_str(), stdout);
}

/// The same as JSON: `, "launches": [...]`.
static std::string launchesAsJson(Executor &executor, const std::vector<LaunchTime> &times) {
  std::string text = ", \"launches\": [";
  for (const LaunchTime &time : times) {
    const fb::Kernel &kernel = *executor.plan().kernels()->Get(time.launch->kernel());
    text +=
        format("%s{\"label\": %s, \"kind\": %s, \"tiles\": %llu, \"thread_ms\": %.6g, "
               "\"flops\": %llu, \"bytes\": %llu}",
               &time == times.data() ? "" : ", ", jsonString(time.launch->label()->str()).c_str(),
               jsonString(kernel.kind()->str()).c_str(), (unsigned long long)kernel.tiles(),
               time.milliseconds, (unsigned long long)time.launch->flops(),
               (unsigned long long)time.launch->bytes());
  }
  return text + "]";
}

static void printTimes(const BenchArguments &arguments, Executor &executor, const StepTimes &times,
                       double compileMilliseconds, const std::vector<LaunchTime> &launches) {
  uint64_t batch = measuredRows(executor, arguments.what());
  double imagesPerSecond = times.median > 0 ? double(batch) / times.median * 1e3 : 0;
  uint64_t peak = peakResidentBytes();
  std::string dtype = describeDtype(executor.model(), executor.plan());
  if (arguments.json) {
    std::printf("{\"ms_per_step\": %.6g, \"best_ms\": %.6g, \"images_per_s\": %.6g, "
                "\"compile_ms\": %.6g, \"peak_bytes\": %llu, \"steps\": %llu, \"batch\": %llu, "
                "\"threads\": %u, \"isa\": %s, \"dtype\": \"%s\"%s}\n",
                times.median, times.best, imagesPerSecond, compileMilliseconds,
                (unsigned long long)peak, (unsigned long long)times.repeats,
                (unsigned long long)batch, executor.threads(),
                jsonString(executor.plan().isa()->str()).c_str(), dtype.c_str(),
                arguments.perKernel ? launchesAsJson(executor, launches).c_str() : "");
    return;
  }
  std::printf("%s   %s step, batch %s, %s   %s, %u thread%s\n", executor.model().name()->c_str(),
              arguments.forward ? "evaluation" : "training", thousands(batch).c_str(),
              dtype.c_str(), std::string(executor.device().kind()).c_str(), executor.threads(),
              executor.threads() == 1 ? "" : "s");
  std::printf("%.4f ms/step (median of %s, best %.4f)   %s images/s   peak %s\n", times.median,
              thousands(times.repeats).c_str(), times.best,
              thousands(uint64_t(imagesPerSecond)).c_str(), formatBytes(peak).c_str());
}

static Expected<std::unique_ptr<Executor>>
openPrepared(const BenchArguments &arguments, const CompiledModel &model, Device &device) {
  Expected<size_t> phase = arguments.phaseOf(model.file.model());
  if (!phase)
    return phase.takeError();
  auto opened = Executor::open(model.file, device, *phase);
  if (opened)
    if (Status status = prepareMeasurement(**opened, arguments.what()); !status)
      return status.takeError();
  return opened;
}

static Status compare(const BenchArguments &arguments, const CompiledModel &model) {
  BenchArguments second = arguments;
  second.model = arguments.other;
  Expected<CompiledModel> other = openModel(second);
  if (!other)
    return other.takeError();
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  auto mine = openPrepared(arguments, model, **device);
  if (!mine)
    return mine.takeError();
  auto theirs = openPrepared(arguments, *other, **device);
  if (!theirs)
    return theirs.takeError();
  ComparedModel a{arguments.model, measuredRows(**mine, arguments.what()), {}};
  ComparedModel b{arguments.other, measuredRows(**theirs, arguments.what()), {}};
  if (Status status = measureInTurns(**mine, **theirs, arguments.what(), arguments.measure,
                                     arguments.rounds, a, b);
      !status)
    return status;
  std::fputs(describeComparison(a, b, arguments.json).c_str(), stdout);
  return Status::ok();
}

static Status bench(const BenchArguments &arguments, const CompiledModel &model) {
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  auto opened = openPrepared(arguments, model, **device);
  if (!opened)
    return opened.takeError();
  Executor &executor = **opened;
  Expected<StepTimes> times = measureSteps(executor, arguments.what(), arguments.measure);
  if (!times)
    return times.takeError();
  std::vector<LaunchTime> launches;
  if (arguments.perKernel) {
    auto measured = measureLaunches(executor, arguments.what(), arguments.measure);
    if (!measured)
      return measured.takeError();
    launches = std::move(measured->launches);
  }
  printTimes(arguments, executor, *times, model.milliseconds, launches);
  if (arguments.perKernel && !arguments.json)
    printLaunches(executor, launches);
  return Status::ok();
}

Status runBench(const Arguments &words) {
  BenchArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (arguments.batch)
    arguments.overrides.push_back(
        format("train.batch_size=%llu", (unsigned long long)arguments.batch));
  Expected<CompiledModel> model = openModel(arguments);
  if (!model)
    return model.takeError();
  return arguments.other.empty() ? bench(arguments, *model) : compare(arguments, *model);
}

} // namespace danaus::tool
