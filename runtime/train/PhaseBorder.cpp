// See PhaseBorder.h.
#include "runtime/train/PhaseBorder.h"

#include "runtime/run/Weights.h"
#include "runtime/train/ShareState.h"

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

/// On rank 0 the optimizer's state as tensors in memory, on the others, which give theirs, nothing.
/// `memory` holds what is of several ranks.
Expected<std::vector<TensorRef>> wholeState(Executor &executor, Values &memory) {
  std::vector<TensorRef> tensors = stateTensors(executor);
  if (!executor.ranks().isFirst()) {
    Status status = giveTensors(tensors);
    return status ? Expected<std::vector<TensorRef>>(std::vector<TensorRef>()) : status.takeError();
  }
  std::vector<const void *> places(tensors.size());
  for (const TensorRef *tensor : writingOrder(tensors)) {
    if (!tensor->fetch)
      continue;
    auto fetched = tensor->fetch();
    if (!fetched)
      return fetched.takeError();
    auto *values = static_cast<const float *>(*fetched);
    uint64_t count = 1;
    for (uint64_t extent : tensor->shape)
      count *= extent;
    memory.emplace_back(values, values + count);
    places[size_t(tensor - tensors.data())] = memory.back().data();
  }
  for (size_t i = 0; i < tensors.size(); ++i)
    if (places[i])
      tensors[i].data = places[i];
  return tensors;
}

/// On rank 0 each state in the order of the phase's parameters; those that begin anew are empty.
Expected<std::vector<Values>> carryState(Executor &before, const ConvertedWeights &weights,
                                         const fb::Phase &phase) {
  if (!phase.projects_state() && !before.keepsAverages())
    return std::vector<Values>(before.stateCount());
  Values memory;
  auto tensors = wholeState(before, memory);
  if (!tensors)
    return tensors.takeError();
  if (!before.ranks().isFirst())
    return std::vector<Values>(before.stateCount());
  WeightSource state = sourceOf("the optimizer's state", *tensors);
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
  for (size_t i = 0; i < weights->values.size(); ++i)
    std::ranges::copy(weights->values[i], (*executor)->parameter(i).begin());
  // Other processors may round the conversion otherwise.
  if (Status status = shareParameters(**executor); !status)
    return status.takeError();
  auto carried = [&](size_t index, size_t slot, std::span<float> into) {
    if (const Values &values = (*state)[slot]; !values.empty())
      std::ranges::copy(values[index], into.begin());
    else
      std::ranges::fill(into, 0.0f);
    return Status::ok();
  };
  if (Status status = shareState(**executor, carried); !status)
    return status.takeError();
  layers = std::move(weights->layers);
  return executor;
}

} // namespace danaus
