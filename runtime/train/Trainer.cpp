// See Trainer.h. To be read from top to bottom: a run, an epoch, a step, the end, checkpoints.
// How a run begins is in TrainerPhases.cpp, how it changes its structure in TrainerBorder.cpp.
#include "runtime/train/Trainer.h"

#include "runtime/exec/Update.h"
#include "runtime/measure/Measure.h"
#include "runtime/plan/Control.h"
#include "runtime/run/RunRecord.h"
#include "runtime/run/Weights.h"
#include "runtime/step/Evaluate.h"
#include "runtime/step/GradientNorm.h"
#include "runtime/trace/Recorder.h"
#include "runtime/train/ShareState.h"

#include <algorithm>
#include <cmath>

namespace danaus {

using ull = unsigned long long;

Trainer::Trainer(const ModelFile &file, Device &device, const Dataset &data, const Dataset &test,
                 const RunFolder &run, TrainerOptions options, TrainObserver &observer,
                 Communicator *ranks)
    : device(device), training(*file.model().training()), data(data), testData(test), run(run),
      options(std::move(options)), observer(observer), ranks(ranks ? *ranks : alone),
      model(file, run, this->ranks, this->options.recompile, this->options.stopRequested),
      store(run.checkpoints(), std::max<uint64_t>(training.checkpoint_keep(), 1)) {}

Expected<RunSummary> Trainer::train() {
  if (Status status = begin(); !status)
    return status.takeError();
  while (!finished()) {
    if (uint64_t phase = phaseOfEpoch(at.epoch); phase != at.phase)
      if (Status status = enterPhase(phase); !status)
        return status.takeError();
    if (Status status = trainEpoch(); !status)
      return status.takeError();
  }
  return finish();
}

bool Trainer::limitReached() const {
  return training.max_steps() && at.step >= training.max_steps();
}

/// An epoch that max_steps cut short is ended first.
bool Trainer::finished() const {
  return at.epoch >= training.epochs() || (limitReached() && at.epochStep == 0);
}

Status Trainer::trainEpoch() {
  if (ranks.isFirst() && !kernelTimer)
    startKernelTimer();
  feed->startEpoch(at.epoch, at.epochStep * microBatches(model.file().model()));
  since = Clock::now();
  while (at.epochStep < stepsPerEpoch() && !limitReached()) {
    if (Status status = tracedStep(); !status)
      return status;
    Expected<bool> stops = stopsNow();
    if (!stops)
      return stops.takeError();
    if (*stops)
      return stopped();
    uint64_t every = training.checkpoint_every_n_steps();
    if (every && at.step % every == 0)
      if (Status status = save("last"); !status)
        return status;
  }
  return endEpoch();
}

/// Updates in an epoch: the last may have fewer micro-batches.
uint64_t Trainer::stepsPerEpoch() const {
  uint64_t count = microBatches(model.file().model());
  return (source->stepsPerEpoch() + count - 1) / count;
}

/// Of this epoch and those after it.
uint64_t Trainer::stepsLeft() const {
  uint64_t left = (training.epochs() - at.epoch) * stepsPerEpoch() - at.epochStep;
  return training.max_steps() ? std::min(left, training.max_steps() - at.step) : left;
}

/// In the first epoch of a phase, or of what is left of it after resuming. A virtual GPU's times
/// say nothing.
void Trainer::startKernelTimer() {
  uint64_t steps = device.kind() == "vgpu" ? 0 : training.timed_steps();
  kernelTimer.emplace(*executor, steps, std::min(stepsLeft(), stepsPerEpoch() - at.epochStep));
}

Status Trainer::tracedStep() {
  if (!stepTrace)
    stepTrace.emplace(run, device, ranks, training.trace_steps(), stepsLeft(),
                      [this](const std::string &note) { observer.onNote(note); });
  if (Status status = stepTrace->begin(at.step + 1); !status)
    return status;
  {
    trace::Scope scope(trace::Kind::Step,
                       trace::isWatched() ? format("step %zu", at.step + 1) : "");
    if (kernelTimer)
      kernelTimer->begin(at.step + 1);
    if (Status status = trainStep(); !status)
      return status;
    if (auto times = kernelTimer ? kernelTimer->end() : std::nullopt)
      observer.onKernelTimes(*executor, at.phase + 1, *times);
  }
  return stepTrace->end();
}

Status Trainer::trainStep() {
  uint64_t first = at.epochStep * microBatches(model.file().model()), rows = 0;
  uint64_t count = std::min(microBatches(model.file().model()), source->stepsPerEpoch() - first);
  for (uint64_t i = 0; i < count; ++i)
    rows += source->allRows(first + i);
  schedule->fillControl(at.step, rows, executor->control(),
                        at.forgottenSteps + (lossScale ? lossScale->skipped() : 0));
  if (lossScale)
    lossScale->fillControl(executor->control());
  auto fill = [&](uint64_t) {
    if (kernelTimer)
      kernelTimer->beginInput();
    Expected<uint64_t> filled = feed->next();
    if (kernelTimer)
      kernelTimer->endInput();
    return filled ? Status::ok() : Status(filled.takeError());
  };
  ranks.noteStep(at.step + 1);
  MicroBatchShare share{source->wholeBatch(), source->firstRow()};
  if (Status status = runUpdate(
          *executor, count, fill, [&] { return feed->prepare(); }, share);
      !status)
    return status;

  float loss = executor->metrics()[metrics::Loss];
  if (Status status = afterUpdate(loss); !status)
    return status;
  at.step += 1;
  at.epochStep += 1;
  lossSum += double(loss) * double(rows);
  rowCount += double(rows);

  if (Status status = logStep(loss); !status)
    return status;
  observer.onStep(
      {at.epoch + 1, training.epochs(), at.epochStep, stepsPerEpoch(), stepsLeft(), rows, loss});
  return Status::ok();
}

/// What an epoch's row says of its last step is known to its checkpoint.
Status Trainer::logStep(float loss) {
  bool endsEpoch = at.epochStep == stepsPerEpoch() || limitReached();
  bool isLogged = options.logEvery && at.step % options.logEvery == 0;
  if (!endsEpoch && !isLogged)
    return Status::ok();
  auto norm = gradientNorm(*executor, endsEpoch ? NormCost::EndOfEpoch : NormCost::Logged);
  if (!norm)
    return norm.takeError();
  lastNorm = *norm;
  if (!log || !isLogged)
    return Status::ok();
  StepRow row{at.step, loss, *norm, {}};
  if (lossScale)
    row.lossScale = float(lossScale->scale());
  return log->step(row);
}

/// The kernels made no update when the loss, or the norm of a scaled gradient, is not finite.
Status Trainer::afterUpdate(float loss) {
  if (!std::isfinite(loss))
    return diverged(at.step + 1, format("the loss is %g", double(loss)));
  if (lossScale && !lossScale->update(executor->metrics()[metrics::GradNorm]) &&
      lossScale->isHopeless())
    return diverged(at.step + 1, format("the gradient is not finite, at a loss scale of %g",
                                        lossScale->scale()));
  return Status::ok();
}

/// The phase that epoch `epoch` (from 0) belongs to.
uint64_t Trainer::phaseOfEpoch(uint64_t epoch) const {
  uint64_t phase = 0, end = 0, last = model.file().model().phases()->size() - 1;
  while (phase < last &&
         epoch >= (end += model.file().model().phases()->Get(unsigned(phase))->epochs()))
    ++phase;
  return phase;
}

static double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// With the moving averages, where there are any, in the place of the parameters.
static Expected<Evaluation> evaluateAverages(Executor &executor, const BatchSource &source) {
  if (Status status = exchangeAverages(executor); !status)
    return status.takeError();
  Expected<Evaluation> result = evaluate(executor, source);
  if (Status status = exchangeAverages(executor); !status)
    return status.takeError();
  return result;
}

Status Trainer::endEpoch() {
  EpochRow row;
  row.epoch = at.epoch + 1;
  row.step = at.step;
  row.trainLoss = rowCount > 0 ? lossSum / rowCount : 0;
  row.lr = schedule->learningRate(at.step - 1);
  row.gradNorm = lastNorm;
  row.imagesPerSecond = rowCount / (epochSeconds + secondsSince(since));

  bool best = true; // without validation images the latest weights are the best we know
  if (validation) {
    Expected<Evaluation> result = evaluateAverages(*executor, *validation);
    if (!result)
      return result.takeError();
    if (!std::isfinite(result->loss))
      return diverged(at.step, format("the loss on the validation images is %g", result->loss));
    row.valLoss = result->loss;
    row.valAccuracy = result->accuracy();
    best = !at.bestAccuracy || result->accuracy() > *at.bestAccuracy;
    if (best)
      at.bestAccuracy = result->accuracy();
  }
  if (best)
    at.bestEpoch = row.epoch;
  row.seconds = epochSeconds + secondsSince(since);
  if (log)
    if (Status status = log->epoch(row); !status)
      return status;

  finishedSeconds += row.seconds;
  lossSum = rowCount = epochSeconds = 0;
  since = Clock::now();
  at.epoch += 1;
  at.epochStep = 0;
  if (best)
    if (Status status = save("best"); !status)
      return status;
  if (Status status = save("last"); !status)
    return status;
  observer.onEpoch(row, at.bestEpoch);
  return Status::ok();
}

Expected<RunSummary> Trainer::finish() {
  if (ranks.isFirst()) {
    Expected<LoadedCheckpoint> best = store.load("best");
    if (!best)
      return best.takeError();
    if (Status status = readParameters(*executor, best->model); !status)
      return status.takeError();
  }
  if (Status status = shareParameters(*executor); !status)
    return status.takeError();
  Expected<Evaluation> result = evaluate(*executor, *test);
  if (!result)
    return result.takeError();

  RunSummary summary = describeRun(*executor);
  summary.ranks = ranks.size();
  summary.epochs = at.epoch;
  summary.steps = at.step;
  summary.bestEpoch = at.bestEpoch;
  summary.bestValAccuracy = at.bestAccuracy;
  summary.testAccuracy = result->accuracy();
  summary.testLoss = result->loss;
  summary.seconds = finishedSeconds;
  summary.peakBytes = peakResidentBytes();
  if (log)
    if (Status status = writeSummary(run, summary); !status)
      return status.takeError();
  return summary;
}

/// What the others do while rank 0 saves.
Status Trainer::giveState(const std::string &slot) {
  if (!executor->isSharded())
    return Status::ok();
  if (slot == "best" && executor->keepsAverages())
    if (Status status = giveTensors(judgedTensors(*executor)); !status)
      return status;
  return giveTensors(stateTensors(*executor));
}

/// Weights that are not finite are never saved: the last checkpoint stays usable. All ranks have
/// the same, and rank 0 saves them.
Status Trainer::save(const std::string &slot) {
  if (!ranks.isFirst())
    return giveState(slot);
  if (std::optional<std::string> parameter = findNonFinite(*executor))
    return diverged(at.step, "parameter " + *parameter + " holds NaN or Inf");
  if (Status status = log->sync(); !status)
    return status;
  at.metrics = log->counters();
  double seconds = rowCount > 0 ? epochSeconds + secondsSince(since) : 0;
  at.sums = {{"loss", lossSum},
             {"rows", rowCount},
             {"epoch_seconds", seconds},
             {"seconds", finishedSeconds}};
  if (lastNorm)
    at.sums["grad_norm"] = *lastNorm;
  if (lossScale)
    lossScale->save(at.sums);
  std::vector<TensorRef> model =
      slot == "best" ? judgedTensors(*executor) : parameterTensors(*executor);
  std::vector<TensorRef> state = stateTensors(*executor);
  return store.save(slot, {at, model, state});
}

/// Between two steps; the same on all ranks.
Expected<bool> Trainer::stopsNow() {
  if (options.stopRequested())
    if (Status status = ranks.requestStop(at.step); !status)
      return status.takeError();
  Expected<uint64_t> last = ranks.stopStep(at.step);
  if (!last)
    return last.takeError();
  return at.step >= *last;
}

Error Trainer::stopped() {
  if (Status status = save("last"); !status)
    return status.takeError();
  return Error(ExitCode::Stopped,
               format("stopped on request after step %llu (epoch %llu); %s/last is written, "
                      "--resume goes on from there",
                      ull(at.step), ull(at.epoch + 1), run.checkpoints().c_str()));
}

Error Trainer::diverged(uint64_t step, const std::string &what) const {
  std::string kept = store.exists("last")
                         ? "the last good checkpoint is " + run.checkpoints() + "/last"
                         : "there was no checkpoint yet";
  return Error(ExitCode::Diverged,
               format("diverged at step %llu (epoch %llu): %s. Nothing was overwritten: %s. Try a "
                      "smaller optimizer.lr (now %g), train.clip_grad_norm=1.0, or another seed",
                      ull(step), ull(at.epoch + 1), what.c_str(), kept.c_str(),
                      model.file().model().schedule()->lr()));
}

} // namespace danaus
