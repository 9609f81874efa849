// See Trainer.h. To be read from top to bottom: a run, an epoch, a step, the end; then how a run
// begins, is saved and is resumed.
#include "runtime/train/Trainer.h"

#include "runtime/base/Checksum.h"
#include "runtime/exec/Initialize.h"
#include "runtime/exec/Update.h"
#include "runtime/plan/Control.h"
#include "runtime/structure/ConvertWeights.h"
#include "runtime/train/Evaluate.h"
#include "runtime/train/ModelData.h"
#include "runtime/train/RunRecord.h"
#include "runtime/train/Weights.h"

#include <algorithm>
#include <cmath>

namespace danaus {

using ull = unsigned long long;

Trainer::Trainer(const ModelFile &file, Executor &executor, const Dataset &data,
                 const Dataset &test, const RunFolder &run, TrainerOptions options,
                 TrainObserver &observer)
    : file(file), executor(executor), training(*file.model().training()), data(data),
      testData(test), run(run), options(std::move(options)), observer(observer),
      store(run.checkpoints(), std::max<uint64_t>(training.checkpoint_keep(), 1)) {}

Expected<RunSummary> Trainer::train() {
  if (Status status = begin(); !status)
    return status.takeError();
  while (!finished())
    if (Status status = trainEpoch(); !status)
      return status.takeError();
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
  feed->startEpoch(at.epoch, at.epochStep * microBatches(file.model()));
  since = Clock::now();
  while (at.epochStep < stepsPerEpoch() && !limitReached()) {
    if (Status status = trainStep(); !status)
      return status;
    if (options.stopRequested())
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
  uint64_t count = microBatches(file.model());
  return (source->stepsPerEpoch() + count - 1) / count;
}

Status Trainer::trainStep() {
  uint64_t first = at.epochStep * microBatches(file.model()), rows = 0;
  uint64_t count = std::min(microBatches(file.model()), source->stepsPerEpoch() - first);
  for (uint64_t i = 0; i < count; ++i)
    rows += source->validRows(first + i);
  schedule->fillControl(at.step, rows, executor.control(), lossScale ? lossScale->skipped() : 0);
  if (lossScale)
    lossScale->fillControl(executor.control());
  auto fill = [&](uint64_t) {
    Expected<uint64_t> filled = feed->next();
    return filled ? Status::ok() : Status(filled.takeError());
  };
  if (Status status = runUpdate(executor, count, fill, [&] { return feed->prepare(); }); !status)
    return status;

  float loss = executor.metrics()[metrics::Loss];
  if (Status status = afterUpdate(loss); !status)
    return status;
  at.step += 1;
  at.epochStep += 1;
  lossSum += double(loss) * double(rows);
  rowCount += double(rows);

  if (options.logEvery && at.step % options.logEvery == 0) {
    StepRow row{at.step, loss, {}, {}};
    float norm = executor.metrics()[metrics::GradNorm];
    if (training.clip_grad_norm() > 0 && std::isfinite(norm)) // not so where float16 overflowed
      row.gradNorm = norm;
    if (lossScale)
      row.lossScale = float(lossScale->scale());
    if (Status status = log->step(row); !status)
      return status;
  }
  uint64_t left = (training.epochs() - at.epoch) * stepsPerEpoch() - at.epochStep;
  if (training.max_steps())
    left = std::min(left, training.max_steps() - at.step);
  observer.onStep(
      {at.epoch + 1, training.epochs(), at.epochStep, stepsPerEpoch(), left, rows, loss});
  return Status::ok();
}

/// The kernels made no update when the loss, or the norm of a scaled gradient, is not finite.
Status Trainer::afterUpdate(float loss) {
  if (!std::isfinite(loss))
    return diverged(at.step + 1, format("the loss is %g", double(loss)));
  if (lossScale && !lossScale->update(executor.metrics()[metrics::GradNorm]) &&
      lossScale->isHopeless())
    return diverged(at.step + 1, format("the gradient is not finite, at a loss scale of %g",
                                        lossScale->scale()));
  return Status::ok();
}

static double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Status Trainer::endEpoch() {
  EpochRow row;
  row.epoch = at.epoch + 1;
  row.step = at.step;
  row.trainLoss = rowCount > 0 ? lossSum / rowCount : 0;
  row.lr = schedule->learningRate(at.step - 1);
  row.imagesPerSecond = rowCount / (epochSeconds + secondsSince(since));

  bool best = true; // without validation images the latest weights are the best we know
  if (validation) {
    AveragesInPlace averages(executor);
    Expected<Evaluation> result = evaluate(executor, *validation);
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
  Expected<LoadedCheckpoint> best = store.load("best");
  if (!best)
    return best.takeError();
  if (Status status = readParameters(executor, best->model); !status)
    return status.takeError();
  Expected<Evaluation> result = evaluate(executor, *test);
  if (!result)
    return result.takeError();

  RunSummary summary = describeRun(executor);
  summary.epochs = at.epoch;
  summary.steps = at.step;
  summary.bestEpoch = at.bestEpoch;
  summary.bestValAccuracy = at.bestAccuracy;
  summary.testAccuracy = result->accuracy();
  summary.testLoss = result->loss;
  summary.seconds = finishedSeconds;
  if (Status status = writeRunRecord(run, executor, summary, log->epochs()); !status)
    return status.takeError();
  return summary;
}

Status Trainer::begin() {
  if (training.dtype() == fb::DType::F16)
    lossScale.emplace();
  at.seed = file.model().seed();
  at.model = file.model().name()->str();
  const flatbuffers::String &spec = *file.model().spec();
  at.specHash = format("%08x", crc32(spec.data(), spec.size()));
  if (Status status = makeSources(); !status)
    return status;

  bool continues = run.mode() == RunMode::Resume && store.exists("last");
  if (run.mode() == RunMode::Resume && !continues)
    observer.onNote(run.path() + " has no checkpoint yet: starting from the first step");
  if (Status status = continues ? resume() : initialize(); !status)
    return status;
  Expected<MetricsLog> opened = MetricsLog::open(run, at.metrics);
  if (!opened)
    return opened.takeError();
  log.emplace(std::move(*opened));
  return Status::ok();
}

Status Trainer::makeSources() {
  uint64_t batch = microBatchRows(executor);
  uint64_t evalBatch = executor.batch(fb::ProgramKind::EvalStep);
  if (!batch || !evalBatch)
    return Error(ExitCode::CheckpointInvalid,
                 file.path() + " cannot be trained: it lacks the program of a training or an "
                               "evaluation step; compile it again");
  struct Wanted {
    std::optional<BatchSource> &into;
    const Dataset &dataset;
    SplitName split;
    uint64_t batch;
    ImageUse use = ImageUse::Evaluation;
  };
  std::vector<Wanted> all = {{source, data, SplitName::Train, batch, ImageUse::Training},
                             {test, testData, SplitName::Test, evalBatch}};
  if (file.model().data()->validation())
    all.push_back({validation, data, SplitName::Validation, evalBatch});
  for (Wanted &wanted : all) {
    auto made =
        makeBatchSource(file.model(), wanted.dataset, wanted.split, wanted.batch, wanted.use);
    if (!made)
      return made.takeError();
    wanted.into.emplace(std::move(*made));
  }
  Expected<std::unique_ptr<BatchFeed>> made = BatchFeed::create(executor, *source);
  if (!made)
    return made.takeError();
  feed = std::move(*made);
  schedule.emplace(*file.model().schedule(), *file.model().optimizer(), training.epochs(),
                   stepsPerEpoch(), at.seed);
  return Status::ok();
}

/// Weights first: a run whose init file does not fit leaves nothing behind.
Status Trainer::initialize() {
  std::string path = training.init() ? training.init()->str() : "";
  if (path.empty()) {
    if (Status status = initializeParameters(executor, at.seed); !status)
      return status;
  } else {
    Expected<SafetensorsFile> weights = SafetensorsFile::open(path);
    if (!weights)
      return weights.takeError().during("reading train.init");
    auto converted = convertWeights(*weights, executor.phase());
    if (!converted)
      return converted.takeError().during("reading train.init");
    for (size_t i = 0; i < converted->values.size(); ++i)
      std::ranges::copy(converted->values[i], executor.parameter(i).begin());
    if (!converted->layers.empty())
      observer.onNote("train.init: " + describeConversions(converted->layers));
  }
  startAverages(executor);
  return writeRunStart(run, file);
}

Status Trainer::resume() {
  Expected<LoadedCheckpoint> last = store.load("last");
  if (!last)
    return last.takeError();
  if (!last->note.empty())
    observer.onNote(last->note);
  if (last->manifest.specHash != at.specHash)
    return Error(ExitCode::CheckpointInvalid,
                 format("%s was trained with another spec (model '%s'): resume it with the one in "
                        "%s, or start a new run with train.init=%s",
                        run.path().c_str(), last->manifest.model.c_str(),
                        run.file("config.yaml").c_str(), last->model.path().c_str()));
  if (Status status = readParameters(executor, last->model); !status)
    return status;
  if (Status status = readState(executor, last->state); !status)
    return status;
  at = std::move(last->manifest);
  if (lossScale)
    lossScale->restore(at.sums);
  lossSum = at.sums["loss"];
  rowCount = at.sums["rows"];
  epochSeconds = at.sums["epoch_seconds"];
  finishedSeconds = at.sums["seconds"];
  return Status::ok();
}

/// Weights that are not finite are never saved: the last checkpoint stays usable.
Status Trainer::save(const std::string &slot) {
  if (std::optional<std::string> parameter = findNonFinite(executor))
    return diverged(at.step, "parameter " + *parameter + " holds NaN or Inf");
  if (Status status = log->sync(); !status)
    return status;
  at.metrics = log->counters();
  double seconds = rowCount > 0 ? epochSeconds + secondsSince(since) : 0;
  at.sums = {{"loss", lossSum},
             {"rows", rowCount},
             {"epoch_seconds", seconds},
             {"seconds", finishedSeconds}};
  if (lossScale)
    lossScale->save(at.sums);
  std::vector<TensorRef> model =
      slot == "best" ? judgedTensors(executor) : parameterTensors(executor);
  std::vector<TensorRef> state = stateTensors(executor);
  return store.save(slot, {at, model, state});
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
                      file.model().schedule()->lr()));
}

} // namespace danaus
