// See Weights.h.
#include "runtime/train/Weights.h"

#include <algorithm>
#include <cmath>

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

std::vector<TensorRef> stateTensors(Executor &executor) {
  std::vector<TensorRef> tensors;
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    for (size_t slot = 0; slot < executor.stateCount(); ++slot)
      tensors.push_back({stateName(executor, i, slot), shapeOf(executor.parameterInfo(i)),
                         executor.state(i, slot).data()});
  return tensors;
}

std::vector<TensorRef> judgedTensors(Executor &executor) {
  std::vector<TensorRef> tensors = parameterTensors(executor);
  for (size_t i = 0; i < tensors.size(); ++i)
    if (std::span<float> average = executor.average(i); !average.empty())
      tensors[i].data = average.data();
  return tensors;
}

void startAverages(Executor &executor) {
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    if (std::span<float> average = executor.average(i); !average.empty())
      std::ranges::copy(executor.parameter(i), average.begin());
}

void AveragesInPlace::exchange() {
  executor.device().parallelFor(executor.parameterCount(), [&](uint64_t i) {
    if (std::span<float> average = executor.average(i); !average.empty())
      std::ranges::swap_ranges(executor.parameter(i), average);
  });
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

Status readState(Executor &executor, const SafetensorsFile &file) {
  if (Status status = requireTensors(file, stateTensors(executor)); !status)
    return status;
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    for (size_t slot = 0; slot < executor.stateCount(); ++slot) {
      std::span<float> values = executor.state(i, slot);
      if (Status status =
              file.readFloats(stateName(executor, i, slot), values.data(), values.size());
          !status)
        return status;
    }
  return Status::ok();
}

std::optional<std::string> findNonFinite(Executor &executor) {
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    if (!std::ranges::all_of(executor.parameter(i), [](float x) { return std::isfinite(x); }))
      return executor.parameterInfo(i).name()->str();
  return std::nullopt;
}

} // namespace danaus
