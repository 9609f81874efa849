// See Measure.h.
#include "runtime/measure/Measure.h"

#include "runtime/base/Philox.h"
#include "runtime/exec/Initialize.h"
#include "runtime/exec/Update.h"
#include "runtime/plan/Control.h"
#include "runtime/step/Schedule.h"
#include "runtime/trace/Recorder.h"

#include <algorithm>
#include <chrono>
#include <fstream>

namespace danaus {

using Clock = std::chrono::steady_clock;

static double millisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

static std::vector<UpdatePart> partsOf(const Executor &executor, Measured what) {
  if (what == Measured::Evaluation)
    return {{fb::ProgramKind::EvalStep, 1}};
  return updateParts(executor.model());
}

uint64_t measuredRows(const Executor &executor, Measured what) {
  if (what == Measured::Evaluation)
    return executor.batch(fb::ProgramKind::EvalStep);
  return microBatchRows(executor) * microBatches(executor.model());
}

/// One update or evaluation, on whatever the executor holds or `input` brings. Adds what it waits
/// for that to `waits`.
static Status runOnce(Executor &executor, Measured what, MeasuredInput *input, StepWaits &waits) {
  trace::Scope scope(trace::Kind::Step, "step");
  auto fill = [&](uint64_t) {
    if (!input)
      return Status::ok();
    Clock::time_point start = Clock::now();
    Status status = input->next();
    waits.input += millisecondsSince(start);
    return status;
  };
  auto meanwhile = [&] { return input ? input->prepare() : Status::ok(); };
  if (what == Measured::Update)
    return runUpdate(executor, microBatches(executor.model()), fill, meanwhile);
  if (Status status = fill(0); !status)
    return status;
  return executor.run(fb::ProgramKind::EvalStep, meanwhile);
}

Status prepareMeasurement(Executor &executor, Measured what) {
  uint64_t batch = executor.batch(partsOf(executor, what).front().kind);
  if (!measuredRows(executor, what))
    return Error(ExitCode::CheckpointInvalid,
                 "the model binary lacks the program to measure: compile it again");
  const fb::Model &model = executor.model();
  if (Status status = initializeParameters(executor, model.seed()); !status)
    return status;
  std::span<float> input = executor.input();
  for (size_t i = 0; i < input.size(); ++i)
    input[i] = unitFloat(philox4x32({uint32_t(i), 0, 0, 0}, {1, 2})[0]);
  std::span<int32_t> labels = executor.label();
  for (size_t i = 0; i < labels.size(); ++i)
    labels[i] = i < batch ? int32_t(i % std::max<uint64_t>(model.classes(), 1)) : -1;
  std::ranges::copy(labels.first(executor.mixLabel().size()), executor.mixLabel().begin());
  std::ranges::fill(executor.mixWeight(), 0.5f);
  Schedule(*model.schedule(), *model.optimizer(), 1, 1, model.seed())
      .fillControl(0, measuredRows(executor, what), executor.control());
  executor.control()[control::LearningRate] = 0;
  return Status::ok();
}

/// Calls `warm` when the warm-up is over, then `each` with the time of every step and its waits.
template <typename Warm, typename Each>
static Status repeatSteps(Executor &executor, Measured what, const MeasureOptions &options,
                          Warm warm, Each each) {
  constexpr uint64_t fewest = 5, fewestWarmups = 2;
  constexpr double longestWarmup = 1e3;
  uint64_t warmups = 0;
  Clock::time_point begin = Clock::now();
  for (; warmups < options.warmups; ++warmups) {
    if (warmups >= fewestWarmups && millisecondsSince(begin) >= longestWarmup)
      break;
    StepWaits unused;
    if (Status status = runOnce(executor, what, options.input, unused); !status)
      return status;
  }
  warm();
  begin = Clock::now();
  auto enough = [&](uint64_t done) {
    return options.repeats ? done >= options.repeats
                           : done >= fewest && millisecondsSince(begin) >= 1e3 * options.seconds;
  };
  for (uint64_t done = 0; !enough(done); ++done) {
    Clock::time_point start = Clock::now();
    StepWaits waits;
    if (Status status = runOnce(executor, what, options.input, waits); !status)
      return status;
    each(millisecondsSince(start), waits);
  }
  return Status::ok();
}

Expected<StepTimes> measureSteps(Executor &executor, Measured what, const MeasureOptions &options) {
  std::vector<double> times;
  Status status = repeatSteps(
      executor, what, options, [] {},
      [&](double time, const StepWaits &) { times.push_back(time); });
  if (!status)
    return status.takeError();
  std::ranges::sort(times);
  return StepTimes{times.size(), times[times.size() / 2], times.front()};
}

void setTiming(Executor &executor, Measured what, Timing timing, ThreadCounters *counters) {
  for (const UpdatePart &part : partsOf(executor, what))
    executor.setTiming(part.kind, timing, counters);
}

std::vector<LaunchTime> launchTimes(const Executor &executor, Measured what, uint64_t steps) {
  std::vector<LaunchTime> times;
  for (const UpdatePart &part : partsOf(executor, what)) {
    std::vector<LaunchSums> sums = executor.launchSums(part.kind);
    std::vector<const fb::Launch *> launches = executor.launches(part.kind);
    for (size_t i = 0; i < launches.size() && i < sums.size(); ++i) {
      double total = double(sums[i].nanoseconds) * 1e-6;
      times.push_back({launches[i], total / double(steps), total, sums[i].counts});
    }
  }
  return times;
}

static double medianOf(std::vector<double> &values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

Expected<LaunchTimes> measureLaunches(Executor &executor, Measured what,
                                      const MeasureOptions &options) {
  LaunchTimes times;
  std::vector<double> steps, inputs, communications;
  std::vector<std::vector<double>> launches; // by launch, of each step
  auto begin = [&] { setTiming(executor, what, Timing::On, options.counters); };
  auto each = [&](double milliseconds, const StepWaits &waits) {
    std::vector<LaunchTime> step = launchTimes(executor, what, 1);
    steps.push_back(milliseconds);
    inputs.push_back(waits.input);
    communications.push_back(double(executor.waitedForRanks()) * 1e-6);
    launches.resize(step.size());
    for (size_t i = 0; i < step.size(); ++i)
      launches[i].push_back(step[i].milliseconds);
    if (times.launches.empty())
      times.launches = std::move(step);
    else
      for (size_t i = 0; i < step.size(); ++i) {
        LaunchTime &all = times.launches[i];
        all.total += step[i].total;
        std::ranges::transform(all.counts, step[i].counts, all.counts.begin(), std::plus<>());
      }
    begin(); // from 0 again
  };
  Status status = repeatSteps(executor, what, options, begin, each);
  setTiming(executor, what, Timing::Off);
  if (!status)
    return status.takeError();
  times.steps = steps.size();
  times.milliseconds = medianOf(steps);
  times.waits = {medianOf(inputs), medianOf(communications)};
  for (size_t i = 0; i < times.launches.size(); ++i)
    times.launches[i].milliseconds = medianOf(launches[i]);
  return times;
}

/// Not getrusage: its maximum survives exec and may be that of the process that started us.
uint64_t peakResidentBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (uint64_t kibibytes = 0; word == "VmHWM:" && status >> kibibytes)
      return kibibytes * 1024;
  return 0;
}

} // namespace danaus
