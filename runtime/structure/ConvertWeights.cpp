// See ConvertWeights.h.
#include "runtime/structure/ConvertWeights.h"

#include "runtime/structure/NamedLinear.h"

#include <algorithm>
#include <map>
#include <set>

namespace danaus {

namespace {

/// Ones in front change nothing of a tensor: other libraries' class tokens have them.
std::span<const uint64_t> withoutOnes(const std::vector<uint64_t> &shape) {
  size_t first = 0;
  while (first + 1 < shape.size() && shape[first] == 1)
    ++first;
  return std::span(shape).subspan(first);
}

/// The nearest weights with the structure and sizes of `to`.
Expected<LinearWeights> nearestOf(const Matrix &dense, const LinearWeights &to) {
  switch (to.kind) {
  case LinearKind::LowRank:
    return toLowRank(dense, to.first.rows);
  case LinearKind::Monarch:
    return toMonarch(dense, to.blocks);
  case LinearKind::BlockDiagonal:
    return toBlockDiagonal(dense, to.blocks);
  case LinearKind::Dense:
    break;
  }
  return LinearWeights{LinearKind::Dense, to.in, to.out, dense};
}

class Converter {
public:
  Converter(const WeightSource &source, const fb::Phase &phase) : source(source), phase(phase) {
    for (const TensorInfo &tensor : source.tensors)
      given[tensor.name] = tensor.shape;
    for (const fb::Parameter *parameter : *phase.parameters())
      wanted[parameter->name()->str()] = {parameter->shape()->begin(), parameter->shape()->end()};
    for (const fb::Layer *layer : *phase.layers())
      features[layer->name()->str()] = {layer->in_features(), layer->out_features()};
  }

  Expected<ConvertedWeights> run() {
    for (const auto &[name, shape] : wanted) {
      auto same = given.find(name);
      if (same != given.end() &&
          std::ranges::equal(withoutOnes(same->second), withoutOnes(shape))) {
        used.insert(name);
        auto &values = results[name] = std::vector<float>(product(shape));
        if (Status status = source.read(name, values.data(), values.size()); !status)
          return status.takeError();
      }
    }
    for (const auto &[name, shape] : wanted)
      if (!results.contains(name))
        if (Status status = convertTensor(name, shape); !status)
          return status.takeError();
    for (const auto &[name, shape] : given)
      if (!used.contains(name))
        differences.push_back({TensorDifference::Unexpected, name, {}, shape});
    if (!differences.empty())
      return doesNotFit(source.origin, differences);
    ConvertedWeights converted;
    for (const fb::Parameter *parameter : *phase.parameters())
      converted.values.push_back(std::move(results[parameter->name()->str()]));
    converted.layers = std::move(layers);
    return converted;
  }

private:
  /// A tensor that the file does not have: of a linear with another structure there.
  Status convertTensor(const std::string &name, const std::vector<uint64_t> &shape) {
    std::string linear = linearOf(name);
    LinearWeights from, to;
    if (linear.empty() || !describeLinear(linear, given, from) ||
        !describeLinear(linear, wanted, to)) {
      auto found = given.find(name);
      bool isThere = found != given.end();
      if (isThere)
        used.insert(name);
      differences.push_back({isThere ? TensorDifference::ShapeMismatch : TensorDifference::Missing,
                             name, shape, isThere ? found->second : std::vector<uint64_t>()});
      return Status::ok();
    }
    if (!converted.insert(linear).second)
      return Status::ok();
    return convertLinear(linear, std::move(from), std::move(to));
  }

  Status convertLinear(const std::string &name, LinearWeights from, LinearWeights to) {
    auto [first, second] = tensorsOf(name, from.kind);
    used.insert(first);
    used.insert(second);
    if (Status status = readLinear(source, name, "", from); !status)
      return status;
    if (auto known = features.find(name); known != features.end())
      std::tie(to.in, to.out) = known->second;
    if (!fitsFeatures(from, to.in, to.out)) {
      for (const std::string &tensor : {first, second})
        if (!tensor.empty())
          differences.push_back(
              {TensorDifference::ShapeMismatch, tensor, {to.out, to.in}, given.at(tensor)});
      return Status::ok();
    }
    from.in = to.in;
    from.out = to.out;
    Matrix dense = toDense(from);
    Expected<LinearWeights> made = nearestOf(dense, to);
    if (!made)
      return made.takeError().during("converting " + name);
    auto [firstTo, secondTo] = tensorsOf(name, to.kind);
    results[firstTo].assign(made->first.data.begin(), made->first.data.end());
    if (!secondTo.empty())
      results[secondTo].assign(made->second.data.begin(), made->second.data.end());
    double error = relativeError(dense, toDense(*made));
    layers.push_back({name, std::move(from), std::move(*made), error});
    return Status::ok();
  }

  const WeightSource &source;
  const fb::Phase &phase;
  Shapes given, wanted;
  std::map<std::string, std::pair<uint64_t, uint64_t>> features; ///< in, out, by layer
  std::map<std::string, std::vector<float>> results;
  std::set<std::string> used, converted;
  std::vector<TensorDifference> differences;
  std::vector<LayerConversion> layers;
};

} // namespace

WeightSource sourceOf(const SafetensorsFile &file) {
  return {file.path(), file.tensors(), [&file](const std::string &name, float *values, size_t n) {
            return file.readFloats(name, values, n);
          }};
}

WeightSource sourceOf(std::string origin, std::span<const TensorRef> tensors) {
  WeightSource source{origin, {}, {}};
  for (const TensorRef &tensor : tensors)
    source.tensors.push_back({tensor.name, tensor.type, tensor.shape});
  source.read = [tensors, origin](const std::string &name, float *values, size_t count) {
    auto found = std::ranges::find(tensors, name, &TensorRef::name);
    if (found == tensors.end() || product(found->shape) != count)
      return Status(Error(ExitCode::CheckpointInvalid, origin + " has no " + name));
    std::copy_n(static_cast<const float *>(found->data), count, values);
    return Status::ok();
  };
  return source;
}

Expected<ConvertedWeights> convertWeights(const WeightSource &source, const fb::Phase &phase) {
  return Converter(source, phase).run();
}

Expected<std::vector<std::vector<float>>> convertState(const WeightSource &state,
                                                       const std::string &suffix, Moment moment,
                                                       const ConvertedWeights &weights,
                                                       const fb::Phase &phase) {
  std::map<std::string, std::vector<float>> converted;
  for (const LayerConversion &layer : weights.layers) {
    LinearWeights before = layer.before;
    if (Status status = readLinear(state, layer.name, suffix, before); !status)
      return status.takeError();
    auto after = convertMoment(layer.before, before, layer.after, moment);
    if (!after)
      return after.takeError().during("carrying over the optimizer's state of " + layer.name);
    auto [first, second] = tensorsOf(layer.name, after->kind);
    converted[first].assign(after->first.data.begin(), after->first.data.end());
    converted[second].assign(after->second.data.begin(), after->second.data.end());
  }
  std::vector<std::vector<float>> values;
  for (const fb::Parameter *parameter : *phase.parameters()) {
    std::string name = parameter->name()->str();
    auto &into = values.emplace_back();
    if (auto found = converted.find(name); found != converted.end()) {
      into = std::move(found->second);
      continue;
    }
    into.resize(weights.values[values.size() - 1].size());
    if (std::ranges::find(state.tensors, name + suffix, &TensorInfo::name) != state.tensors.end())
      if (Status status = state.read(name + suffix, into.data(), into.size()); !status)
        return status.takeError();
  }
  return values;
}

bool isConverted(const std::vector<LayerConversion> &layers, const std::string &parameter) {
  return std::ranges::any_of(layers, [&](const LayerConversion &layer) {
    auto [first, second] = tensorsOf(layer.name, layer.after.kind);
    return parameter == first || parameter == second;
  });
}

Status checkErrors(const std::vector<LayerConversion> &layers, double most) {
  for (const LayerConversion &layer : layers)
    if (!(layer.relativeError <= most))
      return Error(ExitCode::CheckpointInvalid,
                   format("%s as %s has a relative error of %.3g, above the limit of %g: use a "
                          "larger rank or fewer blocks, or leave it dense",
                          layer.name.c_str(), layer.after.describe().c_str(), layer.relativeError,
                          most));
  return Status::ok();
}

std::string conversionsJson(const std::vector<LayerConversion> &layers) {
  using ull = unsigned long long;
  std::string text = "[";
  for (const LayerConversion &layer : layers)
    text += format("%s\n  {\"name\": \"%s\", \"from\": \"%s\", \"to\": \"%s\", \"in\": %llu, "
                   "\"out\": %llu, \"params_before\": %llu, \"params_after\": %llu, "
                   "\"energy_kept\": %.6g, \"relative_error\": %.6g}",
                   &layer == layers.data() ? "" : ",", layer.name.c_str(),
                   layer.before.describe().c_str(), layer.after.describe().c_str(),
                   ull(layer.after.in), ull(layer.after.out), ull(layer.before.parameters()),
                   ull(layer.after.parameters()), layer.energyKept(), layer.relativeError);
  return text + "\n]";
}

std::string describeConversions(const std::vector<LayerConversion> &layers) {
  if (layers.empty())
    return "no linear was converted";
  auto byError = [](const LayerConversion &layer) { return layer.relativeError; };
  auto [least, most] = std::ranges::minmax_element(layers, {}, byError);
  std::set<std::string> ways;
  for (const LayerConversion &layer : layers)
    ways.insert(layer.before.describe() + " to " + layer.after.describe());
  std::string text;
  for (const std::string &way : ways)
    text += (text.empty() ? "" : ", ") + way;
  return format("%zu linear%s converted (", layers.size(), layers.size() == 1 ? "" : "s") + text +
         format(", relative error %.2g to %.2g)", least->relativeError, most->relativeError);
}

} // namespace danaus
