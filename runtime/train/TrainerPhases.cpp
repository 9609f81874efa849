// How a run begins and goes on from a checkpoint; see Trainer.h.
#include "runtime/base/AtomicFile.h"
#include "runtime/base/Checksum.h"
#include "runtime/exec/Initialize.h"
#include "runtime/exec/Update.h"
#include "runtime/run/RunRecord.h"
#include "runtime/run/Weights.h"
#include "runtime/step/Evaluate.h"
#include "runtime/structure/ConvertWeights.h"
#include "runtime/train/ShareState.h"
#include "runtime/train/Trainer.h"

#include <algorithm>
#include <cmath>

namespace danaus {

/// Of a resolved spec without its section `profile`, a line of it, and without dist.sharded: what a
/// run shows of itself, and where it keeps its state, does not change what it is, and versions
/// before had neither.
static std::string hashOfTraining(std::string spec) {
  if (size_t at = spec.find("\nprofile: "); at != std::string::npos)
    spec.erase(at + 1, spec.find('\n', at + 1) - at);
  for (const char *key : {", sharded: true", ", sharded: false"})
    if (size_t at = spec.find(key, spec.find("\ndist: ")); at != std::string::npos)
      spec.erase(at, std::string_view(key).size());
  return format("%08x", crc32(spec.data(), spec.size()));
}

using ull = unsigned long long;

/// A binary whose updates are sharded has the parts of so many ranks.
Status Trainer::checkRanks() const {
  if (!model.file().model().dist()->sharded() || training.ranks() == ranks.size())
    return Status::ok();
  return Error(
      ExitCode::Usage,
      format("%s was compiled for %llu rank%s, and with dist.sharded it trains on no other "
             "number; here are %u: give the spec or the run's folder instead, or compile "
             "it with danausc --ranks %u",
             model.file().path().c_str(), ull(training.ranks()), training.ranks() == 1 ? "" : "s",
             ranks.size(), ranks.size()));
}

Status Trainer::begin() {
  if (Status status = checkRanks(); !status)
    return status;
  if (training.dtype() == fb::DType::F16)
    lossScale.emplace();
  at.seed = model.file().model().seed();
  at.model = model.file().model().name()->str();
  const flatbuffers::String &spec = *model.file().model().spec();
  at.specHash = hashOfTraining(spec.str());
  Status first = ranks.isFirst() ? model.checkCompiler() : Status::ok();
  if (first && ranks.isFirst())
    first = beginFirst();
  if (!first && first.error().code() != ExitCode::Stopped)
    return first;
  Expected<bool> goesOn = model.share(); // the others wait here for rank 0
  if (!goesOn)
    return goesOn.takeError();
  if (!*goesOn)
    return first ? Error(ExitCode::Stopped, "rank 0 was stopped on request") : std::move(first);
  std::string ownSpec = at.specHash;
  if (Status status = shareManifest(ranks, at); !status)
    return status;
  if (at.specHash != ownSpec)
    return Error(ExitCode::CheckpointInvalid,
                 format("rank %u has another spec than rank 0: all ranks must be started alike",
                        ranks.rank()));
  // Other images would end in ranks that wait for each other.
  uint64_t counts[] = {data.count(), testData.count()};
  if (Status status = ranks.broadcast(std::as_writable_bytes(std::span(counts))); !status)
    return status;
  if (counts[0] != data.count() || counts[1] != testData.count())
    return Error(ExitCode::DataInvalid,
                 format("rank %u has %zu images to train on and %zu to test, rank 0 %llu and %llu: "
                        "all ranks need the same data",
                        ranks.rank(), data.count(), testData.count(), ull(counts[0]),
                        ull(counts[1])));
  if (Status status = ranks.isFirst() ? Status::ok() : beginOther(); !status)
    return status;
  if (Status status = shareParameters(*executor); !status)
    return status;
  if (Status status = beginState(); !status)
    return status;
  observer.onPhase(*executor, at.phase + 1);
  if (!ranks.isFirst())
    return Status::ok();
  if (Status status = writeEnvironment(run, *executor); !status)
    return status;
  Expected<MetricsLog> opened = MetricsLog::open(run, at.metrics);
  if (!opened)
    return opened.takeError();
  log.emplace(std::move(*opened));
  return Status::ok();
}

/// Rank 0, or one alone.
Status Trainer::beginFirst() {
  bool continues = run.mode() == RunMode::Resume && store.exists("last");
  if (run.mode() == RunMode::Resume && !continues)
    observer.onNote(run.path() + " has no checkpoint yet: starting from the first step");
  std::optional<LoadedCheckpoint> last;
  if (continues) {
    auto loaded = store.load("last");
    if (!loaded)
      return loaded.takeError();
    last = std::move(*loaded);
  }
  return last ? resume(std::move(*last)) : initialize();
}

/// Any other rank, which knows from rank 0 where the run stands and waits for its weights.
Status Trainer::beginOther() {
  auto opened = Executor::open(model.file(), device, at.phase, &ranks);
  if (!opened)
    return opened.takeError();
  takeSums();
  return openPhase(std::move(*opened));
}

/// The optimizer's state: of the checkpoint, or as it begins.
Status Trainer::beginState() {
  if (at.step == 0) {
    startAverages(*executor);
    return Status::ok();
  }
  Status status = shareState(*executor, [&](size_t index, size_t slot, std::span<float> into) {
    return readState(*executor, *savedState, index, slot, into);
  });
  savedState.reset();
  return status;
}

/// Everything that belongs to the executor of one phase.
Status Trainer::openPhase(std::unique_ptr<Executor> opened) {
  feed.reset();
  kernelTimer.reset();
  executor = std::move(opened);
  if (Status status = makeSources(); !status)
    return status;
  schedule->setScale(executor->phase().lr_scale());
  return Status::ok();
}

Status Trainer::makeSources() {
  uint64_t batch = microBatchRows(*executor);
  uint64_t evalBatch = executor->batch(fb::ProgramKind::EvalStep);
  if (!batch || !evalBatch)
    return Error(ExitCode::CheckpointInvalid,
                 model.file().path() +
                     " cannot be trained: it lacks the program of a training or an "
                     "evaluation step; compile it again");
  struct Wanted {
    std::optional<BatchSource> &into;
    SplitName split;
    ImageUse use = ImageUse::Evaluation;
  };
  std::vector<Wanted> all = {{source, SplitName::Train, ImageUse::Training},
                             {test, SplitName::Test}};
  if (model.file().model().data()->validation())
    all.push_back({validation, SplitName::Validation});
  for (Wanted &wanted : all) {
    auto made = batchesOf(wanted.split, wanted.use);
    if (!made)
      return made.takeError();
    wanted.into.emplace(std::move(*made));
  }
  Expected<std::unique_ptr<BatchFeed>> made = BatchFeed::create(*executor, *source);
  if (!made)
    return made.takeError();
  feed = std::move(*made);
  schedule.emplace(*model.file().model().schedule(), *model.file().model().optimizer(),
                   training.epochs(), stepsPerEpoch(), at.seed);
  return Status::ok();
}

/// This rank's share of a split: a part of the micro-batches of the spec where it trains, and a
/// batch of its own size where it evaluates.
Expected<BatchSource> Trainer::batchesOf(SplitName split, ImageUse use) const {
  bool trains = use == ImageUse::Training;
  uint64_t batch = trains ? microBatchRows(*executor) : executor->batch(fb::ProgramKind::EvalStep);
  BatchShare share{ranks.rank(), ranks.size(), batch * ranks.size()};
  if (trains)
    share.rows = training.batch_size() / microBatches(model.file().model());
  return makeBatchSource(model.file().model(), split == SplitName::Test ? testData : data, split,
                         batch, use, share);
}

/// Weights first: a run whose init file does not fit leaves nothing behind.
Status Trainer::initialize() {
  std::string path = training.init() ? training.init()->str() : "";
  std::optional<SafetensorsFile> weights;
  if (!path.empty()) {
    Expected<SafetensorsFile> file = options.openInit(path);
    if (!file)
      return file.takeError().during("reading train.init");
    weights = std::move(*file);
  }
  if (weights && model.awaitsRanks(0))
    if (Status status = chooseFirstRanks(*weights); !status)
      return status;
  auto opened = Executor::open(model.file(), device, 0, &ranks);
  if (!opened)
    return opened.takeError();
  if (Status status = openPhase(std::move(*opened)); !status)
    return status;
  if (!weights) {
    if (Status status = initializeParameters(*executor, at.seed); !status)
      return status;
  } else {
    auto converted = convertWeights(sourceOf(*weights), executor->phase());
    if (!converted)
      return converted.takeError().during("reading train.init");
    for (size_t i = 0; i < converted->values.size(); ++i)
      std::ranges::copy(converted->values[i], executor->parameter(i).begin());
    if (!converted->layers.empty())
      observer.onNote("train.init: " + describeConversions(converted->layers));
  }
  return writeRunStart(run, model.file());
}

Status Trainer::resume(LoadedCheckpoint last) {
  if (!last.note.empty())
    observer.onNote(last.note);
  if (last.manifest.specHash != at.specHash)
    return Error(ExitCode::CheckpointInvalid,
                 format("%s was trained with another spec (model '%s'): resume it with the one in "
                        "%s, or start a new run with train.init=%s",
                        run.path().c_str(), last.manifest.model.c_str(),
                        run.file("config.yaml").c_str(), last.model.path().c_str()));
  if (last.manifest.phase >= model.file().model().phases()->size())
    return Error(ExitCode::CheckpointInvalid,
                 format("%s is of phase %llu, which the model does not have",
                        last.model.path().c_str(), ull(last.manifest.phase + 1)));
  if (Status status = model.reopen(last.manifest.phase); !status)
    return status;
  auto opened = Executor::open(model.file(), device, last.manifest.phase, &ranks);
  if (!opened)
    return opened.takeError();
  if (Status status = openPhase(std::move(*opened)); !status)
    return status;
  if (Status status = readParameters(*executor, last.model); !status)
    return status;
  if (Status status = checkState(*executor, last.state); !status)
    return status;
  savedState = std::move(last.state);
  at = std::move(last.manifest);
  takeSums();
  return Status::ok();
}

/// What a checkpoint knows of the epoch so far.
void Trainer::takeSums() {
  if (lossScale && at.step > 0)
    lossScale->restore(at.sums);
  if (auto norm = at.sums.find("grad_norm"); norm != at.sums.end())
    lastNorm = float(norm->second);
  lossSum = at.sums["loss"];
  rowCount = at.sums["rows"];
  epochSeconds = at.sums["epoch_seconds"];
  finishedSeconds = at.sums["seconds"];
}

} // namespace danaus
