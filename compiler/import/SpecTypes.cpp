// See SpecTypes.h: each type turns its forms into one, and prints the fullest.
#include "compiler/import/SpecTypes.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using llvm::StringRef;
namespace json = llvm::json;

namespace danaus::spec {

static constexpr char autoRank[] = "auto";

void RankType::read(const Node &node, Structure &rule, Reader &reader) const {
  Meaning meaning = node.isScalar() && !node.quoted ? meaningOf(node.text) : Meaning::Text;
  rule.rank.mark = node.mark;
  bool isAuto = meaning == Meaning::Text && node.isScalar() && node.text == autoRank;
  if (isAuto || node.isMap())
    rule.rankByWeights.emplace();
  if (isAuto)
    return;
  if (node.isMap())
    return byWeights->readAny(node, &*rule.rankByWeights, reader);
  if (meaning == Meaning::Integer)
    return rows.read(node, rule.rank.value, reader);
  if (meaning != Meaning::Number)
    return reader.mismatch(node, describe());
  rule.rankRatio = At<double>{0, node.mark};
  ratio.read(node, rule.rankRatio->value, reader);
}

Node RankType::print(const Structure &rule) const {
  if (rule.rankByWeights)
    return rule.rankByWeights->energy > 0 ? byWeights->printAny(&*rule.rankByWeights)
                                          : Node::scalar(autoRank, true);
  return rule.rankRatio ? ratio.print(rule.rankRatio->value) : rows.print(rule.rank.value);
}

std::string RankType::describe() const {
  return rows.describe() + " (rows), " + ratio.describe() + " (times the smaller side), " +
         autoRank + " or {" + llvm::join(byWeights->names(), ", ") + ": ...}";
}

json::Value RankType::jsonSchema() const {
  return json::Object{
      {"anyOf", json::Array{rows.jsonSchema(), ratio.jsonSchema(),
                            json::Object{{"const", autoRank}}, byWeights->jsonSchema()}}};
}

void RankType::visit(const std::string &path, Visitor visitor) const {
  byWeights->visit(path, visitor);
}

static constexpr char allDense[] = "dense";

void PhaseStructureType::read(const Node &node, Phase &phase, Reader &reader) const {
  phase.structureMark = node.mark;
  phase.structure.emplace();
  if (node.isList())
    return rules->read(node, *phase.structure, reader);
  if (!node.isScalar())
    return reader.mismatch(node, describe());
  if (node.text != allDense)
    reader.unknown(node.mark, "structure", node.text, {allDense}, {});
}

Node PhaseStructureType::print(const Phase &phase) const {
  if (!phase.structure)
    return Node::scalar("", true);
  return phase.structure->empty() ? Node::scalar(allDense, true) : rules->print(*phase.structure);
}

std::string PhaseStructureType::describe() const { return "dense, or " + rules->describe(); }

json::Value PhaseStructureType::jsonSchema() const {
  return json::Object{
      {"anyOf", json::Array{json::Object{{"const", allDense}}, rules->jsonSchema()}}};
}

void PhaseNumberType::read(const Node &node, Phase &phase, Reader &reader) const {
  number.read(node, (phase.*member).emplace(1), reader);
}

Node PhaseNumberType::print(const Phase &phase) const {
  return phase.*member ? number.print(*(phase.*member)) : Node::scalar("", true);
}

static constexpr char crossEntropy[] = "cross_entropy";

void LossType::read(const Node &node, Train &train, Reader &reader) const {
  if (node.isScalar()) {
    if (node.text != crossEntropy)
      reader.unknown(node.mark, "loss", node.text, {crossEntropy}, {});
    return;
  }
  if (!node.isMap() || node.keys.size() != 1)
    return reader.mismatch(node, describe());
  if (node.keys[0].name != crossEntropy)
    return reader.unknown(node.keys[0].mark, "loss", node.keys[0].name, {crossEntropy}, {});
  Reader::Scope scope(reader, crossEntropy);
  options->readAny(node.items[0], &train, reader);
}

Node LossType::print(const Train &train) const {
  Node loss = Node::map();
  loss.append(crossEntropy, options->printAny(&train));
  return loss;
}

std::string LossType::describe() const {
  return "cross_entropy, or {cross_entropy: {" + llvm::join(options->names(), ", ") + "}}";
}

json::Value LossType::jsonSchema() const {
  json::Object withOptions{{"type", "object"},
                           {"properties", json::Object{{crossEntropy, options->jsonSchema()}}},
                           {"required", json::Array{crossEntropy}},
                           {"additionalProperties", false}};
  return json::Object{
      {"anyOf", json::Array{json::Object{{"const", crossEntropy}}, std::move(withOptions)}}};
}

void LossType::visit(const std::string &path, Visitor visitor) const {
  options->visit(path + "." + crossEntropy, visitor);
}

namespace {
struct Normalization {
  std::string name;
  std::vector<double> mean, deviation;
};
} // namespace

/// Of the pixels of each training set, scaled to [0, 1].
static std::vector<Normalization> normalizations() {
  return {{"none", {}, {}},
          {"mnist", {0.1307}, {0.3081}},
          {"fashion_mnist", {0.2860}, {0.3530}},
          {"cifar10", {0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}},
          {"imagenet", {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}}};
}

static std::vector<std::string> normalizationNames() {
  std::vector<std::string> names;
  for (const Normalization &known : normalizations())
    names.push_back(known.name);
  return names;
}

void NormalizeType::read(const Node &node, Data &data, Reader &reader) const {
  if (node.isMap())
    return numbers->readAny(node, &data, reader);
  if (!node.isScalar())
    return reader.mismatch(node, describe());
  for (const Normalization &known : normalizations())
    if (known.name == node.text) {
      data.mean = known.mean;
      data.deviation = known.deviation;
      return;
    }
  reader.unknown(node.mark, "value", node.text, normalizationNames(), {"cifar100"});
}

Node NormalizeType::print(const Data &data) const {
  return data.mean.empty() ? Node::scalar("none", true) : numbers->printAny(&data);
}

std::string NormalizeType::describe() const {
  return "one of " + llvm::join(normalizationNames(), ", ") + ", or {mean: [...], std: [...]}";
}

json::Value NormalizeType::jsonSchema() const {
  return json::Object{
      {"anyOf", json::Array{json::Object{{"enum", normalizationNames()}}, numbers->jsonSchema()}}};
}

void NormalizeType::visit(const std::string &path, Visitor visitor) const {
  numbers->visit(path, visitor);
}

void ParametersType::read(const Node &node, std::vector<OpsBlock::Parameter> &slot,
                          Reader &reader) const {
  if (!node.isMap())
    return reader.mismatch(node, describe());
  slot.clear();
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const Node::Key &key = node.keys[i];
    if (!name.accepts(key.name)) {
      reader.error(key.mark, "expected " + name.describe() + ", found '" + key.name + "'");
      continue;
    }
    Reader::Scope scope(reader, key.name);
    slot.push_back({key.name, {{}, key.mark}});
    shape->readAny(node.items[i], &slot.back().shape.value, reader);
  }
}

Node ParametersType::print(const std::vector<OpsBlock::Parameter> &slot) const {
  Node map = Node::map();
  for (const OpsBlock::Parameter &parameter : slot)
    map.append(parameter.name, shape->printAny(&parameter.shape.value));
  return map;
}

std::string ParametersType::describe() const {
  return "a map from names to shapes, as {V: [16, 128]}";
}

json::Value ParametersType::jsonSchema() const {
  return json::Object{{"type", "object"},
                      {"propertyNames", name.jsonSchema()},
                      {"additionalProperties", shape->jsonSchema()}};
}

} // namespace danaus::spec
