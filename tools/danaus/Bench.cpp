// danaus bench: the time of a step, images per second and peak memory.
#include "runtime/device/Checks.h"
#include "runtime/train/Measure.h"
#include "tools/danaus/OpenModel.h"
#include "tools/danaus/Text.h"

namespace danaus::tool {

namespace {
struct BenchArguments : ModelArguments {
  bool forward = false, perKernel = false, json = false;
  uint64_t batch = 0;
  MeasureOptions measure;
  Measured what() const { return forward ? Measured::Evaluation : Measured::Update; }
};
} // namespace

static Expected<CommandLine::Outcome> parse(const Arguments &words, BenchArguments &into) {
  CommandLine line(
      "bench",
      "Measures a compiled step on made-up data: a warm-up, then at least 3 seconds or\n"
      "N repeats. The time of a step is the median. A training step is a whole update, with\n"
      "train.accumulate all of its micro-batches.",
      {"danaus bench models/mnist_mlp.yaml --threads 2",
       "danaus bench models/mnist_mlp.yaml --forward --batch 1000 --json",
       "danaus bench mlp.dnb --per-kernel"});
  into.declareModel(line);
  line.flag(into.forward, "--forward", "an evaluation step instead of a training step");
  line.option(into.batch, "--batch", "compile for this batch size (train.batch_size)");
  line.option(into.measure.repeats, "--repeats", "this many steps instead of 3 seconds");
  line.flag(into.perKernel, "--per-kernel", "a row for each launch");
  into.declareDevice(line);
  line.flag(into.json, "--json", "print one JSON object");
  return line.parse(words);
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

static void printTimes(const BenchArguments &arguments, Executor &executor, const StepTimes &times,
                       double compileMilliseconds) {
  uint64_t batch = measuredRows(executor, arguments.what());
  double imagesPerSecond = times.median > 0 ? double(batch) / times.median * 1e3 : 0;
  uint64_t peak = peakResidentBytes();
  std::string dtype = describeDtype(executor.model(), executor.plan());
  if (arguments.json) {
    std::printf("{\"ms_per_step\": %.6g, \"best_ms\": %.6g, \"images_per_s\": %.6g, "
                "\"compile_ms\": %.6g, \"peak_bytes\": %llu, \"dtype\": \"%s\"}\n",
                times.median, times.best, imagesPerSecond, compileMilliseconds,
                (unsigned long long)peak, dtype.c_str());
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

static Status bench(const BenchArguments &arguments, const CompiledModel &model) {
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  auto opened = Executor::open(model.file, **device);
  if (!opened)
    return opened.takeError();
  Executor &executor = **opened;
  if (Status status = prepareMeasurement(executor, arguments.what()); !status)
    return status;
  Expected<StepTimes> times = measureSteps(executor, arguments.what(), arguments.measure);
  if (!times)
    return times.takeError();
  printTimes(arguments, executor, *times, model.milliseconds);
  if (!arguments.perKernel || arguments.json)
    return Status::ok();
  auto launches = measureLaunches(executor, arguments.what(), arguments.measure);
  if (!launches)
    return launches.takeError();
  printLaunches(executor, *launches);
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
  return bench(arguments, *model);
}

} // namespace danaus::tool
