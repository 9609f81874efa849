// How a run passes from one phase to the next, and how weights choose ranks; see Trainer.h.
#include "runtime/base/AtomicFile.h"
#include "runtime/run/RunRecord.h"
#include "runtime/run/Weights.h"
#include "runtime/step/Evaluate.h"
#include "runtime/train/Trainer.h"

#include <cmath>

namespace danaus {

using ull = unsigned long long;

/// By the weights that the run begins with. Those that do not fit are an error before anything is
/// written; the spec has to be in the folder to be compiled.
Status Trainer::chooseFirstRanks(const SafetensorsFile &weights) {
  if (auto fits = convertWeights(sourceOf(weights), model.phase(0)); !fits)
    return fits.takeError().during("reading train.init");
  if (Status status = writeRunStart(run, model.file()); !status)
    return status;
  if (Status status = model.choose(0, sourceOf(weights)); !status)
    return status;
  noteWhatStaysDense();
  return Status::ok();
}

void Trainer::noteWhatStaysDense() {
  for (const ChosenRank &rank : model.chosen())
    if (!rank.pays())
      observer.onNote(whyDense(rank));
}

/// All ranks: the model with the ranks that the weights of the phase before choose. False: stopped
/// on request.
Expected<bool> Trainer::chooseRanks(uint64_t next) {
  if (!model.awaitsRanks(next))
    return true;
  if (ranks.isFirst()) {
    std::vector<TensorRef> tensors = parameterTensors(*executor);
    Status chosen = model.choose(next, sourceOf("the phase before", tensors));
    if (!chosen && chosen.error().code() != ExitCode::Stopped)
      return chosen.takeError();
    noteWhatStaysDense();
  }
  return model.share();
}

/// The checkpoint before it has the weights as they were: a run that is stopped here does all of
/// this again. `best` begins anew, so that what is tested in the end has the last structure.
Status Trainer::enterPhase(uint64_t next) {
  auto onTheWay = [&](Error error) {
    return std::move(error).during(
        format("entering phase %llu of %s", ull(next + 1), model.file().model().name()->c_str()));
  };
  Expected<bool> goesOn = chooseRanks(next);
  if (!goesOn)
    return onTheWay(goesOn.takeError());
  if (!*goesOn)
    return stopped();
  BorderReport report{next + 1, at.epoch, {}};
  // Validation images, else those that are trained on, but not augmented.
  auto first =
      batchesOf(validation ? SplitName::Validation : SplitName::Train, ImageUse::Evaluation);
  if (!first)
    return first.takeError();
  Expected<Evaluation> before = evaluateFirstBatch(*executor, *first);
  if (!before)
    return before.takeError();
  feed.reset(); // it holds the executor
  auto crossed = crossBorder(model.file(), device, std::move(executor), next, report.layers);
  if (!crossed)
    return onTheWay(crossed.takeError());
  if (Status status = openPhase(std::move(*crossed)); !status)
    return status;
  Expected<Evaluation> after = evaluateFirstBatch(*executor, *first);
  if (!after)
    return after.takeError();
  report.lossBefore = before->loss;
  report.lossAfter = after->loss;

  auto most = executor->phase().max_loss_rise();
  if (most && !(report.lossAfter - report.lossBefore <= *most))
    return Error(
        ExitCode::CheckpointInvalid,
        format("entering phase %llu of %s raises the loss of a batch from %.4g to %.4g, by "
               "more than max_loss_rise %g. The last checkpoint is that of the phase "
               "before. Raise the rank (or nblocks down), train longer before, or raise "
               "the limit",
               ull(next + 1), model.file().model().name()->c_str(), report.lossBefore,
               report.lossAfter, *most));

  at.phase = next;
  at.bestAccuracy.reset();
  at.bestEpoch = 0;
  if (!executor->phase().projects_state())
    at.forgottenSteps = at.step - (lossScale ? lossScale->skipped() : 0);
  if (!std::isfinite(report.lossAfter))
    return diverged(at.step,
                    format("after the conversion for phase %llu the loss is %g (%g before)",
                           ull(next + 1), report.lossAfter, report.lossBefore));
  if (ranks.isFirst())
    if (Status status = writeFileAtomically(run.file(format("phase-%llu.json", ull(next + 1))),
                                            borderJson(report));
        !status)
      return status;
  if (Status status = save("last"); !status)
    return status;
  observer.onBorder(report);
  observer.onPhase(*executor, next + 1);
  return Status::ok();
}

} // namespace danaus
