// `ops:` a layer written out from primitives: its names, parameters and result; its steps are in
// OpsStep.h.
#include "compiler/import/OpsStep.h"
#include "runtime/base/Nearest.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::import;
using spec::Mark;

LogicalResult Symbols::define(const ModelContext &model, Symbol symbol) {
  auto [slot, isNew] = index.try_emplace(symbol.name, list.size());
  if (!isNew) {
    InFlightDiagnostic error = model.error(symbol.mark);
    error << "'" << symbol.name << "' is defined twice";
    error.attachNote(model.locationOf(list[slot->second].mark)) << "the first is here";
    return failure();
  }
  list.push_back(std::move(symbol));
  return success();
}

FailureOr<Value> Symbols::use(const ModelContext &model, StringRef name, Mark mark) {
  auto found = index.find(name);
  if (found != index.end()) {
    list[found->second].used = true;
    return list[found->second].value;
  }
  InFlightDiagnostic error = model.error(mark);
  error << "'" << name << "' is not defined";
  std::vector<std::string> names;
  for (const Symbol &symbol : list)
    names.push_back(symbol.name);
  if (auto nearest = nearestName(name, names))
    return error << "; did you mean '" << *nearest << "'?";
  return error << "; known here: " << llvm::join(names, ", ");
}

LogicalResult Symbols::checkUses(const ModelContext &model, StringRef layer) const {
  for (const Symbol &symbol : list)
    if (!symbol.used)
      return model.error(symbol.mark)
             << symbol.kind << " '" << symbol.name << "' of layer " << layer << " is never used";
  return success();
}

FailureOr<Value> danaus::import::importOps(ModelContext &model, const spec::Layer &layer,
                                           StringRef name, Value input) {
  const spec::OpsBlock &block = layer.ops;
  if (block.inputs.size() != 1)
    return model.error(layer.mark) << "layer " << name << " has " << block.inputs.size()
                                   << " inputs; an ops block takes one, the result of the layer "
                                      "before it";
  Symbols symbols;
  if (failed(symbols.define(model, {block.inputs[0].value, "input", input, block.inputs[0].mark})))
    return failure();
  for (const spec::OpsBlock::Parameter &parameter : block.parameters) {
    ArrayRef<int64_t> shape = parameter.shape.value;
    Init init = shape.size() >= 2 ? Init::fanIn(shape.back()) : Init();
    auto value = model.addParameter(name + "." + parameter.name, shape, init, parameter.shape.mark);
    if (failed(value) ||
        failed(symbols.define(model, {parameter.name, "parameter", *value, parameter.shape.mark})))
      return failure();
  }
  for (const spec::At<std::string> &step : block.steps)
    if (failed(StepParser(model, symbols, name, step).parse()))
      return failure();
  FailureOr<Value> output = symbols.use(model, block.output.value, block.output.mark);
  if (failed(output) || failed(symbols.checkUses(model, name)))
    return failure();
  ArrayRef<int64_t> shape = nn::shapeOf(*output);
  if (shape.empty() || shape[0] != nn::shapeOf(input)[0])
    return model.error(block.output.mark)
           << "'" << block.output.value << "' is " << nn::shapeText(shape)
           << "; a layer's result begins with the batch, " << nn::shapeOf(input)[0];
  return output;
}
