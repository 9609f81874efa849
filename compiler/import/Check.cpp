// See Check.h.
#include "compiler/import/Check.h"

#include <map>

using llvm::Twine;

namespace danaus::spec {

static constexpr int64_t mostElements = int64_t(1) << 31;
static constexpr int64_t mostLayers = 100'000;

/// Whether the product of the sizes, none above 2^24, is at most 2^31.
static bool fits(const std::vector<int64_t> &shape) {
  int64_t elements = 1;
  for (int64_t size : shape)
    if ((elements *= size) > mostElements)
      return false;
  return true;
}

void checkInput(const Node &node, const Spec &spec, Reader &reader) {
  if (!fits(spec.inputShape.value))
    reader.error(spec.inputShape.mark, "a sample of this shape has more than 2^31 elements");
}

static int64_t countLayers(const std::vector<Layer> &layers) {
  int64_t count = 0;
  for (const Layer &layer : layers) {
    int64_t inside = countLayers(layer.layers);
    count += 1 + (layer.kind == LayerKind::Repeat ? inside * layer.times : inside);
    if (count > mostLayers)
      return mostLayers + 1; // keeps the products of nested repeats small
  }
  return count;
}

/// drop_path switches a branch off, so it stands at the end of one.
static void checkDropPaths(const std::vector<Layer> &layers, bool areBranch, Reader &reader) {
  for (const Layer &layer : layers) {
    bool endsBranch = areBranch && &layer == &layers.back();
    if (layer.kind == LayerKind::DropPath && !endsBranch)
      reader.error(layer.mark, "drop_path leaves out the branch of a residual, so it must be the "
                               "last layer of one: - residual: [..., {drop_path: 0.1}]");
    checkDropPaths(layer.layers, layer.kind == LayerKind::Residual, reader);
  }
}

void checkModel(const Node &node, const Spec &spec, Reader &reader) {
  if (countLayers(spec.layers) > mostLayers)
    reader.error(node.keys[*node.find("layers")].mark,
                 "with its repeats written out the model has more than " + Twine(mostLayers) +
                     " layers");
  checkDropPaths(spec.layers, false, reader);
}

void checkOps(const Node &node, const Layer &layer, Reader &reader) {
  std::map<std::string, Mark> names;
  for (const At<std::string> &input : layer.ops.inputs)
    names.insert({input.value, input.mark});
  for (const OpsBlock::Parameter &parameter : layer.ops.parameters) {
    auto [entry, isNew] = names.insert({parameter.name, parameter.shape.mark});
    if (!isNew)
      reader.error(parameter.shape.mark, "parameter '" + parameter.name + "' is also an input",
                   entry->second, "the input is named here");
    if (!fits(parameter.shape.value))
      reader.error(parameter.shape.mark,
                   "parameter '" + parameter.name + "' has more than 2^31 elements");
  }
}

void checkNormalize(const Node &node, const Data &data, Reader &reader) {
  if (data.mean.size() != data.deviation.size())
    reader.error(node.mark, "mean has length " + Twine(data.mean.size()) + " and std " +
                                Twine(data.deviation.size()) +
                                "; both have a number for each channel");
}

/// The epochs of the phases are those of the run; the resolved spec has both.
static void checkPhases(const Train &train, Reader &reader) {
  int64_t sum = 0;
  for (const Phase &phase : train.phases)
    sum += phase.epochs;
  if (!train.phases.empty() && train.epochs.mark.written() && train.epochs != sum)
    reader.error(train.epochs.mark,
                 "epochs: " + Twine(train.epochs.value) + ", but the phases have " + Twine(sum) +
                     " together; set theirs (train.phases.0.epochs=3) and leave this key out",
                 train.phases.front().mark, "the phases are written here");
}

void checkTrain(const Node &node, const Train &train, Reader &reader) {
  checkPhases(train, reader);
  if (train.batchSize % train.accumulate == 0)
    return;
  reader.error(train.accumulate.mark,
               "accumulate: " + Twine(train.accumulate.value) +
                   " parts do not divide a batch_size of " + Twine(train.batchSize.value) +
                   "; all parts of an update have equally many samples",
               train.batchSize.mark, "batch_size is written here");
}

/// The linears of an ONNX file are built as it says.
static void checkOnnx(const Spec &spec, Reader &reader) {
  if (spec.modelKind != ModelKind::Onnx)
    return;
  if (!llvm::StringRef(spec.onnxFile.value).ends_with(".onnx"))
    reader.error(spec.onnxFile.mark, "model.file: the name of an ONNX file ends in .onnx");
  auto refuse = [&](const std::vector<Structure> &rules) {
    if (!rules.empty())
      reader.error(rules.front().mark,
                   "the linears of an ONNX model have the structure that its file gives them; "
                   "leave the rules out (`danaus convert` brings its weights into a spec of "
                   "layers)");
  };
  refuse(spec.structure);
  for (const Phase &phase : spec.train.phases)
    if (phase.structure)
      refuse(*phase.structure);
}

/// Ranks that weights choose need weights: of a phase before, or those that the run begins with.
static void checkFirstRanks(const Spec &spec, Reader &reader) {
  const std::vector<Phase> &phases = spec.train.phases;
  bool hasOwn = !phases.empty() && phases.front().structure;
  if (!spec.train.init.value.empty())
    return;
  for (const Structure &rule : hasOwn ? *phases.front().structure : spec.structure)
    if (rule.rankByWeights)
      return reader.error(rule.rank.mark,
                          "this rank is chosen by weights, and the first phase has none yet: "
                          "train dense ones before (train.phases: [{epochs: 5, structure: dense}, "
                          "{epochs: 25}]), or give some as train.init");
}

void checkSpec(const Node &node, const Spec &spec, Reader &reader) {
  checkOnnx(spec, reader);
  checkFirstRanks(spec, reader);
  if (spec.schedule.kind == ScheduleKind::Cosine && spec.schedule.minLr > spec.optimizer.lr.value)
    reader.error(spec.schedule.minLr.mark,
                 "scheduler.min_lr: the learning rate falls to min_lr, "
                 "so it must not be above optimizer.lr",
                 spec.optimizer.lr.mark, "optimizer.lr is written here");
}

} // namespace danaus::spec
