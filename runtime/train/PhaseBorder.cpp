// See PhaseBorder.h.
#include "runtime/train/PhaseBorder.h"

#include "runtime/train/Weights.h"

#include <algorithm>

namespace danaus {

namespace {

using Values = std::vector<std::vector<float>>;

constexpr const char *averageSuffix = ".ema";

/// The averages of weights that did not change are in `state`; the others start as the weights.
Status carryAverages(const WeightSource &state, const ConvertedWeights &weights,
                     const fb::Phase &phase, Values &averages) {
  averages = weights.values;
  for (size_t i = 0; i < averages.size(); ++i) {
    std::string name = phase.parameters()->Get(unsigned(i))->name()->str();
    if (isConverted(weights.layers, name))
      continue;
    if (Status status = state.read(name + averageSuffix, averages[i].data(), averages[i].size());
        !status)
      return status;
  }
  return Status::ok();
}

/// A mean of squares is not below the square of the mean: where Adam's projected moments would say
/// so, its steps would be far longer than the learning rate.
void reconcile(const ConvertedWeights &weights, const fb::Phase &phase, const Values &first,
               Values &second) {
  for (size_t i = 0; i < second.size(); ++i)
    if (isConverted(weights.layers, phase.parameters()->Get(unsigned(i))->name()->str()))
      for (size_t j = 0; j < second[i].size(); ++j)
        second[i][j] = std::max(second[i][j], first[i][j] * first[i][j]);
}

/// Each state in the order of the phase's parameters; those that begin anew are empty.
Expected<std::vector<Values>> carryState(Executor &before, const ConvertedWeights &weights,
                                         const fb::Phase &phase) {
  std::vector<TensorRef> tensors = stateTensors(before);
  WeightSource state = sourceOf("the optimizer's state", tensors);
  std::vector<Values> carried;
  for (const std::string &suffix : stateSuffixes(before.model())) {
    Values &values = carried.emplace_back();
    if (suffix == averageSuffix) {
      if (Status status = carryAverages(state, weights, phase, values); !status)
        return status.takeError();
    } else if (phase.projects_state()) {
      Moment moment = suffix == ".exp_avg_sq" ? Moment::Second : Moment::First;
      auto converted = convertState(state, suffix, moment, weights, phase);
      if (!converted)
        return converted.takeError();
      values = std::move(*converted);
      if (moment == Moment::Second)
        reconcile(weights, phase, carried.front(), values);
    }
  }
  return carried;
}

} // namespace

std::string borderJson(const BorderReport &report) {
  return format("{\"phase\": %llu, \"epoch\": %llu, \"loss_before\": %.9g, \"loss_after\": %.9g, "
                "\"layers\": ",
                (unsigned long long)report.phase, (unsigned long long)report.epoch,
                report.lossBefore, report.lossAfter) +
         conversionsJson(report.layers) + "}\n";
}

Expected<std::unique_ptr<Executor>> crossBorder(const ModelFile &file, Device &device,
                                                std::unique_ptr<Executor> before, size_t next,
                                                std::vector<LayerConversion> &layers) {
  const fb::Phase &phase = *file.model().phases()->Get(unsigned(next));
  std::vector<TensorRef> tensors = parameterTensors(*before);
  auto weights = convertWeights(sourceOf("the phase before", tensors), phase);
  if (!weights)
    return weights.takeError();
  if (Status status = checkErrors(weights->layers, phase.max_error()); !status)
    return status.takeError();
  auto state = carryState(*before, *weights, phase);
  if (!state)
    return state.takeError();

  Communicator *ranks = before->ranks().isAlone() ? nullptr : &before->ranks();
  before.reset(); // both arenas may not fit
  auto executor = Executor::open(file, device, next, ranks);
  if (!executor)
    return executor.takeError();
  for (size_t i = 0; i < weights->values.size(); ++i) {
    std::ranges::copy(weights->values[i], (*executor)->parameter(i).begin());
    for (size_t slot = 0; slot < state->size(); ++slot)
      if (const Values &values = (*state)[slot]; !values.empty())
        std::ranges::copy(values[i], (*executor)->state(i, slot).begin());
  }
  layers = std::move(weights->layers);
  return executor;
}

} // namespace danaus
