// danaus profile: what the kernels of a step did.
#include "runtime/base/AtomicFile.h"
#include "runtime/base/File.h"
#include "runtime/exec/Update.h"
#include "runtime/measure/StepTrace.h"
#include "runtime/profile/ProfileJson.h"
#include "runtime/report/Report.h"
#include "runtime/trace/TraceFile.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/measure/ProfilePrinter.h"

namespace danaus::tool {

namespace {

constexpr uint64_t CountedSteps = 5;

struct ProfileArguments : ModelArguments {
  bool forward = false, json = false, csv = false, force = false, data = false;
  uint64_t batch = 0, steps = 0;
  std::string trace, report, counters = "hardware";
};

Expected<CommandLine::Outcome> parse(const Arguments &words, ProfileArguments &into) {
  CommandLine line(
      "profile",
      "Runs steps on made-up data and prints a row for each kernel: launches in a step, time,\n"
      "arithmetic and traffic, and the layers and lines of the spec that it computes; the same\n"
      "by layer; and what of a step was computing, waiting for input, and idle. Of a run, it\n"
      "also makes report.html anew with these times. On the virtual GPU, instead of times:\n"
      "exact counts of memory traffic, instructions and wavefronts, and the times that they\n"
      "predict on GPUs. A prediction knows no latencies and no caches.",
      {"danaus profile models/mnist_mlp.yaml --threads 2",
       "danaus profile models/mnist_mlp_monarch.yaml --device vgpu",
       "danaus profile runs/mnist_mlp --data",
       "danaus profile mlp.dnb --forward --csv > kernels.csv",
       "danaus profile models/vit_s16.yaml --batch 8 --steps 5 --trace trace.json"});
  into.declareModel(line);
  line.flag(into.forward, "--forward", "an evaluation step instead of a training step");
  line.flag(into.data, "--data",
            "batches of the model's training images instead of made-up ones, so that waiting for "
            "them is seen");
  line.option(into.batch, "--batch", "compile for this batch size (train.batch_size)");
  line.option(into.steps, "--steps", "steps to run [20; 1 on the virtual GPU]");
  into.declareDevice(line);
  into.declarePhase(line);
  line.option(into.trace, "--trace", "FILE",
              "write what every thread and GPU did to FILE, for ui.perfetto.dev");
  line.option(
      into.report, "--report", "FILE",
      "write a page with layers, kernels, roofline, memory and fusion to FILE (.html), of a "
      "run with its curves [of a run: its report.html]");
  line.flag(into.force, "--force", "overwrite FILE");
  line.option(into.counters, "--counters", "SET",
              "what is counted beside the time on CPUs [hardware]: cycles, instructions and cache "
              "misses; software: page faults, switches, time on the CPU; none");
  line.flag(into.json, "--json", "print one JSON object");
  line.flag(into.csv, "--csv", "print comma-separated values");
  auto outcome = line.parse(words);
  if (outcome && into.json && into.csv)
    return Error(ExitCode::Usage, "--json and --csv: choose one");
  if (outcome && into.counters != "hardware" && into.counters != "software" &&
      into.counters != "none")
    return Error(ExitCode::Usage,
                 "--counters: '" + into.counters + "' is none of hardware, software, none");
  for (const std::string &file : {into.trace, into.report})
    if (Status status = checkOutput(file, into.force ? Existing::Overwrite : Existing::Keep);
        outcome && !status)
      return status.takeError();
  if (outcome && !into.report.empty() && into.forward)
    return Error(ExitCode::Usage, "--report shows a training step: leave --forward out");
  return outcome;
}

/// Where the page goes: of a run, in the place of that which it has; empty: there is none.
std::string pagePath(const ProfileArguments &arguments) {
  bool isRun = pathExists(joinPath(arguments.model, "metrics.jsonl"));
  if (!arguments.report.empty() || !isRun || arguments.forward)
    return arguments.report;
  return joinPath(arguments.model, "report.html");
}

/// A profile as pages show it: with times, if only predicted ones.
std::string pageJson(const ProfileReport &report) {
  if (!countsKernels(report))
    return profileJson(report);
  std::string taken;
  StepProfile predicted = predictedProfile(report, taken);
  return profileJson(
      {report.measured, report.executor, predicted, taken, report.roofline, nullptr, ""});
}

/// A page of the model as it was measured here, with what a run has besides.
Status writePage(const std::string &path, const ProfileArguments &arguments,
                 const CompiledModel &model, size_t phase, const std::string &profile) {
  RunFiles files;
  if (pathExists(joinPath(arguments.model, "metrics.jsonl"))) {
    auto read = readRunFiles(arguments.model);
    if (!read)
      return read.takeError();
    files = std::move(*read);
  } else {
    files.model = std::shared_ptr<const ModelFile>(std::shared_ptr<void>(), &model.file);
  }
  files.profiles[phase + 1] = nlohmann::json::parse(profile);
  if (Status status = writeFileAtomically(path, renderReport(files)); !status)
    return status;
  if (arguments.report.empty())
    std::fprintf(stderr, "%s: made anew with these times\n", path.c_str());
  return Status::ok();
}

Status writeTrace(const std::string &path, Device &device) {
  auto recording = stopTrace(device);
  if (!recording)
    return recording.takeError();
  uint64_t leftOut = 0;
  std::string events = trace::eventsOf(*recording, 0, trace::MostBytes, leftOut);
  if (Status status = writeFileAtomically(path, trace::traceFile({events}, *recording, leftOut));
      !status)
    return status;
  if (!recording->deviceTimes.empty())
    std::fprintf(stderr, "%s: times of the GPU by %s\n", path.c_str(),
                 recording->deviceTimes.c_str());
  if (leftOut)
    std::fprintf(stderr,
                 "%s: %zu spans left out, which the file has no room for: --steps takes fewer\n",
                 path.c_str(), size_t(leftOut));
  return Status::ok();
}

/// What `--counters` asks for; `why` it is not there.
std::unique_ptr<PerfCounters> openCounters(const ProfileArguments &arguments, const Device &device,
                                           std::string &why) {
  if (device.kind() != "cpu" || arguments.counters == "none")
    return nullptr;
  bool isHardware = arguments.counters == "hardware";
  auto opened = PerfCounters::open(isHardware ? CounterSet::Hardware : CounterSet::Software,
                                   device.threads());
  if (opened)
    return std::move(*opened);
  why = opened.error().message();
  return nullptr;
}

/// The steps of the table, traced if that was asked for.
Expected<StepProfile> measure(const ProfileArguments &arguments, Executor &executor, Measured what,
                              MeasureOptions options) {
  Device &device = executor.device();
  if (device.kind() != "vgpu") { // counts need no warm-up
    MeasureOptions once = options;
    once.repeats = 1;
    if (auto warm = measureSteps(executor, what, once); !warm)
      return warm.takeError();
  }
  trace::nameThread("main");
  if (!arguments.trace.empty()) {
    if (Status status = device.beginTrace(); !status)
      return status.takeError();
    trace::start();
  }
  auto profiled = profileKernels(executor, what, options);
  if (profiled && !arguments.trace.empty())
    if (Status status = writeTrace(arguments.trace, device); !status)
      return status.takeError();
  return profiled;
}

Expected<std::unique_ptr<MeasuredInput>> openInput(Executor &executor, Measured what) {
  auto data = loadModelData(executor.model(), Portion::Train);
  if (!data)
    return data.takeError();
  bool trains = what == Measured::Update;
  uint64_t rows = trains ? microBatchRows(executor) : executor.batch(fb::ProgramKind::EvalStep);
  return MeasuredInput::open(executor, std::move(*data), rows,
                             trains ? ImageUse::Training : ImageUse::Evaluation);
}

Status profile(const ProfileArguments &arguments, const CompiledModel &model) {
  auto device = openDevice(arguments);
  if (!device)
    return device.takeError();
  Expected<size_t> phase = arguments.phaseOf(model.file.model());
  if (!phase)
    return phase.takeError();
  auto opened = Executor::open(model.file, **device, *phase);
  if (!opened)
    return opened.takeError();
  Executor &executor = **opened;
  Measured what = arguments.forward ? Measured::Evaluation : Measured::Update;
  bool isVirtual = (*device)->kind() == "vgpu";

  if (Status status = prepareMeasurement(executor, what); !status)
    return status;
  MeasureOptions options{.warmups = 0, .repeats = arguments.steps};
  if (!arguments.steps)
    options.repeats = isVirtual ? 1 : 20;
  std::unique_ptr<MeasuredInput> input;
  if (arguments.data) {
    auto batches = openInput(executor, what);
    if (!batches)
      return batches.takeError();
    input = std::move(*batches);
    options.input = input.get();
  }
  auto profiled = measure(arguments, executor, what, options);
  if (!profiled)
    return profiled.takeError();
  std::string steps =
      options.repeats == 1 ? "one step" : "medians of " + number(options.repeats) + " steps";
  std::string taken = steps + (input ? " on its training images" : " on made-up data");
  ProfileReport report{what, executor, *profiled, taken, {}, nullptr, ""};
  auto counters = openCounters(arguments, **device, report.noCounters);
  if (counters) {
    if (Status status = countKernels(executor, what, *counters,
                                     std::min<uint64_t>(options.repeats, CountedSteps), *profiled);
        !status)
      return status;
    if (Status status = counters->status(); !status)
      report.noCounters = status.error().message();
    else
      report.counters = counters.get();
  }
  report.roofline = rooflineOf(**device, cacheFolder());
  (arguments.json ? printJson : arguments.csv ? printCsv : printTable)(report);
  std::string page = pagePath(arguments);
  return page.empty() ? Status::ok() : writePage(page, arguments, model, *phase, pageJson(report));
}

} // namespace

Status runProfile(const Arguments &words) {
  ProfileArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (arguments.batch)
    arguments.overrides.push_back("train.batch_size=" + std::to_string(arguments.batch));
  Expected<CompiledModel> model = openModel(arguments);
  if (!model)
    return model.takeError();
  return profile(arguments, *model);
}

} // namespace danaus::tool
