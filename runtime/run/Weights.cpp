// See Weights.h.
#include "runtime/run/Weights.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

namespace danaus {

static std::vector<uint64_t> shapeOf(const fb::Parameter &parameter) {
  return {parameter.shape()->begin(), parameter.shape()->end()};
}

std::vector<std::string> stateSuffixes(const fb::Model &model) {
  std::vector<std::string> suffixes;
  if (model.optimizer()->kind() != fb::OptimizerKind::Sgd)
    suffixes = {".exp_avg", ".exp_avg_sq"};
  else if (model.optimizer()->momentum() != 0)
    suffixes = {".momentum_buffer"};
  if (model.training()->ema() > 0)
    suffixes.push_back(".ema");
  return suffixes;
}

static std::string stateName(const Executor &executor, size_t index, size_t slot) {
  return executor.parameterInfo(index).name()->str() + stateSuffixes(executor.model())[slot];
}

size_t fittingPhase(const fb::Model &model, const SafetensorsFile &file) {
  size_t last = model.phases()->size() - 1;
  for (size_t i = last + 1; i-- > 0;) {
    auto fits = [&](const fb::Parameter *parameter) {
      const TensorInfo *tensor = file.find(parameter->name()->str());
      return tensor && tensor->shape == shapeOf(*parameter);
    };
    if (std::ranges::all_of(*model.phases()->Get(unsigned(i))->parameters(), fits))
      return i;
  }
  return last;
}

std::vector<TensorRef> parameterTensors(Executor &executor) {
  std::vector<TensorRef> tensors;
  for (size_t i = 0; i < executor.parameterCount(); ++i) {
    const fb::Parameter &info = executor.parameterInfo(i);
    tensors.push_back({info.name()->str(), shapeOf(info), executor.parameter(i).data()});
  }
  return tensors;
}

namespace {

/// Rank 0 gets a state of all ranks; null elsewhere. `into` is used for one tensor after the other.
Expected<const void *> gatherState(Executor &executor, size_t index, size_t slot,
                                   std::vector<float> &into) {
  Communicator &ranks = executor.ranks();
  std::vector<uint64_t> counts;
  for (unsigned rank = 0; rank < ranks.size(); ++rank)
    counts.push_back(executor.shareOf(index, rank).count * sizeof(float));
  if (ranks.isFirst())
    into.resize(elementCount(executor.parameterInfo(index)));
  Status status = ranks.gather(std::as_bytes(executor.state(index, slot)), counts,
                               std::as_writable_bytes(std::span(into)));
  return status ? Expected<const void *>(into.data()) : status.takeError();
}

TensorRef stateTensor(Executor &executor, size_t index, size_t slot, std::string name,
                      const std::shared_ptr<std::vector<float>> &memory) {
  TensorRef tensor{std::move(name), shapeOf(executor.parameterInfo(index))};
  if (executor.isSharded())
    tensor.fetch = [&executor, index, slot, memory] {
      return gatherState(executor, index, slot, *memory);
    };
  else
    tensor.data = executor.state(index, slot).data();
  return tensor;
}

} // namespace

std::vector<TensorRef> stateTensors(Executor &executor) {
  std::vector<TensorRef> tensors;
  auto memory = std::make_shared<std::vector<float>>();
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    for (size_t slot = 0; slot < executor.stateCount(); ++slot)
      tensors.push_back(stateTensor(executor, i, slot, stateName(executor, i, slot), memory));
  return tensors;
}

std::vector<TensorRef> judgedTensors(Executor &executor) {
  if (!executor.keepsAverages())
    return parameterTensors(executor);
  std::vector<TensorRef> tensors;
  auto memory = std::make_shared<std::vector<float>>();
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    tensors.push_back(stateTensor(executor, i, executor.stateCount() - 1,
                                  executor.parameterInfo(i).name()->str(), memory));
  return tensors;
}

Status giveTensors(std::span<const TensorRef> tensors) {
  for (const TensorRef *tensor : writingOrder(tensors))
    if (tensor->fetch)
      if (Expected<const void *> given = tensor->fetch(); !given)
        return given.takeError();
  return Status::ok();
}

void startAverages(Executor &executor) {
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    if (std::span<float> average = executor.average(i); !average.empty())
      std::ranges::copy(executor.ownParameter(i), average.begin());
}

Status exchangeAverages(Executor &executor) {
  if (!executor.keepsAverages())
    return Status::ok();
  std::vector<std::pair<std::span<float>, std::span<float>>> pairs;
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    if (std::span<float> average = executor.average(i); !average.empty())
      pairs.push_back({executor.ownParameter(i), average});
  executor.device().parallelFor(
      pairs.size(), [&](uint64_t i) { std::ranges::swap_ranges(pairs[i].first, pairs[i].second); });
  return executor.gatherParameters();
}

Status readParameters(Executor &executor, const SafetensorsFile &file) {
  if (Status status = requireTensors(file, parameterTensors(executor)); !status)
    return status;
  for (size_t i = 0; i < executor.parameterCount(); ++i) {
    std::span<float> values = executor.parameter(i);
    std::string name = executor.parameterInfo(i).name()->str();
    if (Status status = file.readFloats(name, values.data(), values.size()); !status)
      return status;
  }
  return Status::ok();
}

Status checkState(Executor &executor, const SafetensorsFile &file) {
  return requireTensors(file, stateTensors(executor));
}

Status readState(Executor &executor, const SafetensorsFile &file, size_t index, size_t slot,
                 std::span<float> into) {
  return file.readFloats(stateName(executor, index, slot), into.data(), into.size());
}

std::optional<std::string> findNonFinite(Executor &executor) {
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    if (!std::ranges::all_of(executor.parameter(i), [](float x) { return std::isfinite(x); }))
      return executor.parameterInfo(i).name()->str();
  return std::nullopt;
}

} // namespace danaus
