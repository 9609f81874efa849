// See ConvertWeights.h.
#include "runtime/structure/ConvertWeights.h"

#include <algorithm>
#include <map>
#include <set>

namespace danaus {

namespace {

constexpr const char *suffixes[] = {".down.weight", ".up.weight", ".blkdiag1", ".blkdiag2",
                                    ".weight"};

/// The linear that a tensor may belong to; empty where its name is not one of a linear's.
std::string linearOf(const std::string &tensor) {
  for (const char *suffix : suffixes)
    if (tensor.ends_with(suffix))
      return tensor.substr(0, tensor.size() - std::string_view(suffix).size());
  return "";
}

uint64_t product(const std::vector<uint64_t> &shape, size_t from = 0) {
  uint64_t result = 1;
  for (size_t i = from; i < shape.size(); ++i)
    result *= shape[i];
  return result;
}

/// The tensors of one side: the file's, or the model's, whose values are not known yet.
using Shapes = std::map<std::string, std::vector<uint64_t>>;

/// A linear's structure as the shapes of its tensors tell it; false where they tell none.
bool describeLinear(const std::string &name, const Shapes &shapes, LinearWeights &into) {
  auto find = [&](const char *suffix) -> const std::vector<uint64_t> * {
    auto found = shapes.find(name + suffix);
    return found == shapes.end() ? nullptr : &found->second;
  };
  const auto *down = find(".down.weight"), *up = find(".up.weight");
  const auto *one = find(".blkdiag1"), *two = find(".blkdiag2"), *dense = find(".weight");
  if (down && up && down->size() == 2 && up->size() == 2 && (*down)[0] == (*up)[1]) {
    into = {LinearKind::LowRank, (*down)[1], (*up)[0], Matrix((*down)[0], (*down)[1]),
            Matrix((*up)[0], (*up)[1])};
    return true;
  }
  if (one && two && one->size() == 3 && two->size() == 3 && (*one)[0] == (*two)[0] &&
      (*one)[1] == (*two)[2]) {
    // How much of the last blocks is padding, the other side knows.
    into = {LinearKind::Monarch,
            (*one)[0] * (*one)[2],
            (*two)[0] * (*two)[1],
            Matrix((*one)[0] * (*one)[1], (*one)[2]),
            Matrix((*two)[0] * (*two)[1], (*two)[2]),
            (*one)[0]};
    return true;
  }
  if (!dense || dense->size() < 2) // a norm has a weight of one dimension
    return false;
  into = {LinearKind::Dense, product(*dense, 1), (*dense)[0],
          Matrix((*dense)[0], product(*dense, 1))};
  return true;
}

/// Names of the two matrices' tensors.
std::pair<std::string, std::string> tensorsOf(const std::string &name, LinearKind kind) {
  switch (kind) {
  case LinearKind::LowRank:
    return {name + ".down.weight", name + ".up.weight"};
  case LinearKind::Monarch:
    return {name + ".blkdiag1", name + ".blkdiag2"};
  case LinearKind::Dense:
    break;
  }
  return {name + ".weight", ""};
}

class Converter {
public:
  Converter(const SafetensorsFile &file, const fb::Phase &phase) : file(file), phase(phase) {
    for (const TensorInfo &tensor : file.tensors())
      given[tensor.name] = tensor.shape;
    for (const fb::Parameter *parameter : *phase.parameters())
      wanted[parameter->name()->str()] = {parameter->shape()->begin(), parameter->shape()->end()};
    for (const fb::Layer *layer : *phase.layers())
      features[layer->name()->str()] = {layer->in_features(), layer->out_features()};
  }

  Expected<ConvertedWeights> run() {
    for (const auto &[name, shape] : wanted) {
      auto same = given.find(name);
      if (same != given.end() && same->second == shape) {
        used.insert(name);
        auto &values = results[name] = std::vector<float>(product(shape));
        if (Status status = file.readFloats(name, values.data(), values.size()); !status)
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
      return doesNotFit(file, differences);
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
    for (auto [tensor, matrix] : {std::pair(first, &from.first), std::pair(second, &from.second)}) {
      if (tensor.empty())
        continue;
      used.insert(tensor);
      std::vector<float> values(matrix->data.size());
      if (Status status = file.readFloats(tensor, values.data(), values.size()); !status)
        return status;
      std::ranges::copy(values, matrix->data.begin());
    }
    if (auto known = features.find(name); known != features.end())
      std::tie(to.in, to.out) = known->second;
    // Blocks may be padded: what is beyond the model's features is no weight.
    auto fits = [](const LinearWeights &w, uint64_t in, uint64_t out) {
      if (w.kind != LinearKind::Monarch)
        return w.in == in && w.out == out;
      MonarchSizes sizes(in, out, w.blocks);
      return w.first.columns == sizes.p && w.first.rows == w.blocks * sizes.q &&
             w.second.rows == w.blocks * sizes.s;
    };
    if (!fits(from, to.in, to.out)) {
      for (const std::string &tensor : {first, second})
        if (!tensor.empty())
          differences.push_back(
              {TensorDifference::ShapeMismatch, tensor, {to.out, to.in}, given.at(tensor)});
      return Status::ok();
    }
    from.in = to.in;
    from.out = to.out;
    Matrix dense = toDense(from);
    Expected<LinearWeights> made = to.kind == LinearKind::LowRank ? toLowRank(dense, to.first.rows)
                                   : to.kind == LinearKind::Monarch
                                       ? toMonarch(dense, to.blocks)
                                       : LinearWeights{LinearKind::Dense, to.in, to.out, dense};
    if (!made)
      return made.takeError().during("converting " + name);
    auto [firstTo, secondTo] = tensorsOf(name, to.kind);
    results[firstTo].assign(made->first.data.begin(), made->first.data.end());
    if (!secondTo.empty())
      results[secondTo].assign(made->second.data.begin(), made->second.data.end());
    layers.push_back({name, from.describe(), made->describe(), to.in, to.out, from.parameters(),
                      made->parameters(), relativeError(dense, toDense(*made))});
    return Status::ok();
  }

  const SafetensorsFile &file;
  const fb::Phase &phase;
  Shapes given, wanted;
  std::map<std::string, std::pair<uint64_t, uint64_t>> features; ///< in, out, by layer
  std::map<std::string, std::vector<float>> results;
  std::set<std::string> used, converted;
  std::vector<TensorDifference> differences;
  std::vector<LayerConversion> layers;
};

} // namespace

Expected<ConvertedWeights> convertWeights(const SafetensorsFile &file, const fb::Phase &phase) {
  return Converter(file, phase).run();
}

std::string describeConversions(const std::vector<LayerConversion> &layers) {
  if (layers.empty())
    return "no linear was converted";
  auto byError = [](const LayerConversion &layer) { return layer.relativeError; };
  auto [least, most] = std::ranges::minmax_element(layers, {}, byError);
  std::set<std::string> ways;
  for (const LayerConversion &layer : layers)
    ways.insert(layer.from + " to " + layer.to);
  std::string text;
  for (const std::string &way : ways)
    text += (text.empty() ? "" : ", ") + way;
  return format("%zu linear%s converted (", layers.size(), layers.size() == 1 ? "" : "s") + text +
         format(", relative error %.2g to %.2g)", least->relativeError, most->relativeError);
}

} // namespace danaus
