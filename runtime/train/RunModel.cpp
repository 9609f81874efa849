// See RunModel.h.
#include "runtime/train/RunModel.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/run/RunRecord.h"

#include <algorithm>
#include <utility>

namespace danaus {

using ull = unsigned long long;

namespace {

/// What rank 0 tells the others; any other number: the bytes of a binary, which follow.
constexpr uint64_t nothingNew = 0, wait = UINT64_MAX, stop = UINT64_MAX - 1;

std::vector<RankedLinear> linearsOf(const fb::Phase &phase) {
  std::vector<RankedLinear> linears;
  for (const fb::RankRule *rule : *phase.rank_rules())
    for (const fb::Layer *layer : *phase.layers())
      if (layer->name()->string_view() == rule->layer()->string_view()) {
        RankRule by;
        by.stable = rule->energy() == 0;
        if (!by.stable)
          by.energy = rule->energy();
        linears.push_back({layer->name()->str(), layer->in_features(), layer->out_features(), by});
        break;
      }
  return linears;
}

/// Whether ranks of a file are those that this phase needs.
Status checkRanks(const std::vector<ChosenRank> &ranks, const fb::Phase &phase,
                  const std::string &path) {
  std::vector<RankedLinear> linears = linearsOf(phase);
  bool fits = ranks.size() == linears.size();
  for (size_t i = 0; fits && i < ranks.size(); ++i)
    fits = ranks[i].layer == linears[i].layer && ranks[i].in == linears[i].in &&
           ranks[i].out == linears[i].out;
  if (fits)
    return Status::ok();
  return Error(ExitCode::CheckpointInvalid,
               "'" + path + "' has not the linears of this run: it is of another one");
}

bool haveSameParameters(const fb::Phase &a, const fb::Phase &b) {
  return std::ranges::equal(*a.parameters(), *b.parameters(), [](auto *one, auto *two) {
    return one->name()->string_view() == two->name()->string_view() &&
           std::ranges::equal(*one->shape(), *two->shape());
  });
}

std::string targetsOf(const ModelFile &file) {
  std::string text;
  for (const fb::TargetPlan *plan : *file.model().phases()->Get(0)->targets())
    text += (text.empty() ? "" : ",") + plan->target()->str() + ":" + plan->isa()->str();
  return text;
}

bool awaits(const ModelFile &file, uint64_t phase) {
  const auto *rules = file.model().phases()->Get(unsigned(phase))->rank_rules();
  return rules && rules->size() > 0;
}

} // namespace

RunModel::RunModel(const ModelFile &given, const RunFolder &run, Communicator &ranks,
                   Recompile recompile, std::function<bool()> stopRequested)
    : current(&given), run(run), ranks(ranks), recompile(std::move(recompile)),
      stopRequested(std::move(stopRequested)) {}

bool RunModel::awaitsRanks(uint64_t phase) const { return awaits(file(), phase); }

Status RunModel::checkCompiler() const {
  for (uint64_t i = 0; i < file().model().phases()->size(); ++i)
    if (awaitsRanks(i) && !recompile)
      return Error(ExitCode::CheckpointInvalid,
                   format("phase %llu of %s gets its ranks from the weights, which takes a "
                          "compiler: train it with danaus where danausc is beside it",
                          ull(i + 1), file().model().name()->c_str()));
  return Status::ok();
}

Expected<std::vector<PhaseRanks>> RunModel::ranksSoFar() const {
  std::string path = run.file(rankFileName);
  return pathExists(path) ? readRankFile(path) : std::vector<PhaseRanks>();
}

Status RunModel::choose(uint64_t phase, const WeightSource &weights) {
  auto known = ranksSoFar();
  if (!known)
    return known.takeError();
  std::string path = run.file(rankFileName);
  const PhaseRanks *ours = findPhase(*known, phase + 1);
  if (ours) {
    if (Status status = checkRanks(ours->layers, this->phase(phase), path); !status)
      return status;
    latest = ours->layers;
  } else {
    auto chosen = chooseRanks(linearsOf(this->phase(phase)), weights);
    if (!chosen)
      return chosen.takeError();
    latest = *chosen;
    known->push_back({phase + 1, std::move(*chosen)});
    if (Status status = writeFileAtomically(path, rankFileText(*known)); !status)
      return status;
  }
  return open(phase);
}

Status RunModel::reopen(uint64_t phase) {
  auto known = ranksSoFar();
  if (!known)
    return known.takeError();
  bool awaitsAny = false;
  for (uint64_t i = 0; i <= phase; ++i) {
    awaitsAny |= awaitsRanks(i);
    if (awaitsRanks(i) && !findPhase(*known, i + 1))
      return Error(ExitCode::CheckpointInvalid,
                   format("'%s' does not say which ranks phase %llu has, in which its checkpoint "
                          "is: the file is from an earlier state of the run, or missing",
                          run.file(rankFileName).c_str(), ull(i + 1)));
  }
  return awaitsAny ? open(phase) : Status::ok();
}

/// The model with the ranks of the run's folder, at least up to phase `phase`: the binary that lies
/// there, where it is of this spec, for these targets and so many processes, else a new one.
Status RunModel::open(uint64_t phase) {
  std::string path = run.file(runModelFile);
  if (auto kept = ModelFile::open(path); kept && isSameModel(*kept, phase)) {
    adopt(std::move(*kept));
    isNew = true;
    return Status::ok();
  }
  toldAt = std::chrono::steady_clock::now();
  Status compiled = recompile({run.file("config.yaml"), run.file(rankFileName), targetsOf(file()),
                               file().model().training()->ranks(), path},
                              [this] { return tellsToWait() || stopRequested(); });
  if (!waiting)
    return waiting;
  if (!compiled && stopRequested()) {
    isStopped = true;
    return Error(ExitCode::Stopped, "stopped on request while the model was compiled with the "
                                    "ranks that its weights have chosen; --resume goes on from "
                                    "there");
  }
  if (!compiled)
    return compiled.takeError().during("compiling " + file().model().name()->str() +
                                       " with the ranks of " + run.file(rankFileName));
  auto made = ModelFile::open(path);
  if (!made)
    return made.takeError();
  if (!isSameModel(*made, phase))
    return Error(ExitCode::CheckpointInvalid,
                 path +
                     ": compiled with the chosen ranks the phases before are not what they "
                     "were: is danausc of the same version as the one that compiled " +
                     file().path() + "?");
  adopt(std::move(*made));
  isNew = true;
  return Status::ok();
}

/// Whether it is this run's model, with all ranks up to phase `phase`.
bool RunModel::isSameModel(const ModelFile &other, uint64_t phase) const {
  const fb::Model &ours = file().model(), &theirs = other.model();
  if (ours.spec()->string_view() != theirs.spec()->string_view() ||
      ours.training()->ranks() != theirs.training()->ranks() ||
      ours.phases()->size() != theirs.phases()->size() || targetsOf(file()) != targetsOf(other))
    return false;
  for (uint64_t i = 0; i <= phase; ++i)
    if (awaits(other, i) ||
        (!awaitsRanks(i) &&
         !haveSameParameters(*ours.phases()->Get(unsigned(i)), *theirs.phases()->Get(unsigned(i)))))
      return false;
  return true;
}

void RunModel::adopt(ModelFile file) {
  opened.push_back(std::make_unique<ModelFile>(std::move(file)));
  current = opened.back().get();
}

/// While the compiler works, once a second: the others see that rank 0 is there. True where that
/// fails.
bool RunModel::tellsToWait() {
  auto now = std::chrono::steady_clock::now();
  if (ranks.isAlone() || now - toldAt < std::chrono::seconds(1))
    return false;
  toldAt = now;
  uint64_t word = wait;
  waiting = ranks.broadcast(std::as_writable_bytes(std::span(&word, 1)));
  return !waiting;
}

Expected<bool> RunModel::share() {
  if (ranks.isAlone())
    return !std::exchange(isStopped, false);
  uint64_t word = nothingNew;
  if (ranks.isFirst())
    word = isStopped ? stop : isNew ? file().fileBytes() : nothingNew;
  do {
    if (Status status = ranks.broadcast(std::as_writable_bytes(std::span(&word, 1))); !status)
      return status.takeError();
  } while (word == wait);
  isNew = isStopped = false;
  if (word == nothingNew || word == stop)
    return word == nothingNew;
  std::vector<std::byte> bytes(word);
  if (ranks.isFirst())
    std::ranges::copy(file().bytes(), bytes.begin());
  if (Status status = ranks.broadcast(bytes); !status)
    return status.takeError();
  if (ranks.isFirst())
    return true;
  auto received = ModelFile::fromBytes(bytes, run.file(runModelFile) + " of rank 0");
  if (!received)
    return received.takeError();
  adopt(std::move(*received));
  return true;
}

} // namespace danaus
