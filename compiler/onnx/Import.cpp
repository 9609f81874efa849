// The importer's frame: the file's interface, initializers as parameters, the table of operators.
#include "compiler/onnx/Importer.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;
using namespace danaus::import;

/// An operator and how many inputs it has here.
struct Importer::Operator {
  StringLiteral name;
  LogicalResult (Importer::*import)(const Node &node);
  size_t least, most;
};

ArrayRef<Importer::Operator> Importer::operators() {
  constexpr size_t any = SIZE_MAX;
  static const Operator table[] = {
      {"Add", &Importer::importAdd, 2, 2},
      {"Cast", &Importer::importCast, 1, 1},
      {"CastLike", &Importer::importCast, 2, 2},
      {"Concat", &Importer::importConcat, 1, any},
      {"Constant", &Importer::importConstant, 0, 0},
      {"ConstantOfShape", &Importer::importConstantOfShape, 1, 1},
      {"Conv", &Importer::importConv, 2, 3},
      {"Div", &Importer::importArithmetic, 2, 2},
      {"Dropout", &Importer::importIdentity, 1, 3},
      {"Einsum", &Importer::importEinsum, 2, 2},
      {"Equal", &Importer::importFolded, 2, 2},
      {"Erf", &Importer::importErf, 1, 1},
      {"Expand", &Importer::importExpand, 2, 2},
      {"Flatten", &Importer::importFlatten, 1, 1},
      {"Gather", &Importer::importGather, 2, 2},
      {"Gelu", &Importer::importGelu, 1, 1},
      {"Gemm", &Importer::importGemm, 2, 3},
      {"Identity", &Importer::importIdentity, 1, 1},
      {"LayerNormalization", &Importer::importLayerNorm, 2, 3},
      {"MatMul", &Importer::importMatMul, 2, 2},
      {"Mul", &Importer::importArithmetic, 2, 2},
      {"Pad", &Importer::importPad, 1, 4},
      {"Pow", &Importer::importArithmetic, 2, 2},
      {"ReduceMean", &Importer::importReduceMean, 1, 2},
      {"Relu", &Importer::importRelu, 1, 1},
      {"Reshape", &Importer::importReshape, 2, 2},
      {"Shape", &Importer::importShapeOf, 1, 1},
      {"Slice", &Importer::importSlice, 1, 5},
      {"Softmax", &Importer::importSoftmax, 1, 1},
      {"Split", &Importer::importSplit, 1, 2},
      {"Sqrt", &Importer::importSqrt, 1, 1},
      {"Squeeze", &Importer::importSqueeze, 1, 2},
      {"Sub", &Importer::importArithmetic, 2, 2},
      {"Tanh", &Importer::importErf, 1, 1},
      {"Transpose", &Importer::importTranspose, 1, 1},
      {"Unsqueeze", &Importer::importUnsqueeze, 1, 2},
      {"Where", &Importer::importFolded, 3, 3},
  };
  return table;
}

static std::string fileName(const ModelContext &model) {
  return llvm::sys::path::filename(model.spec.onnxFile.value).str();
}

InFlightDiagnostic Importer::error(const Node &node) const {
  return model.error(model.spec.onnxFile.mark)
         << fileName(model) << ": node '" << node.name << "' (" << node.op << "): ";
}

bool Importer::has(const Node &node, size_t index) const {
  return index < node.inputs.size() && !node.inputs[index].empty();
}

const Known &Importer::known(const Node &node, size_t index) const {
  return names.find(node.inputs[index])->second;
}

void Importer::give(const Node &node, Known result) {
  names[node.outputs.front()] = std::move(result);
}

Location Importer::locationOf(const Node &node) const {
  std::string weight;
  for (const std::string &name : node.inputs)
    if (auto entry = names.find(name); entry != names.end() && weight.empty())
      if (auto argument = dyn_cast_if_present<BlockArgument>(entry->second.value))
        if (auto place = dyn_cast<NameLoc>(argument.getLoc()); place && argument.getArgNumber())
          weight = place.getName().str();
  return model.locationOf(layerName(node, weight), model.spec.onnxFile.mark);
}

/// A weight that is only ever a right factor (in, out) is kept as (out, in).
void Importer::prepareInitializers() {
  llvm::StringSet<> others;
  for (const Node &node : graph.nodes)
    for (auto [i, name] : llvm::enumerate(node.inputs)) {
      if (name.empty())
        continue;
      bool isFactor =
          i == 1 && (node.op == "MatMul" || (node.op == "Gemm" && node.integer("transB", 0) == 0));
      (isFactor ? swapped : others).insert(name);
      users.try_emplace(name, node.name);
    }
  for (const auto &name : others)
    swapped.erase(name.getKey());
  for (const Port &output : graph.outputs) {
    swapped.erase(output.name);
    users.try_emplace(output.name, "");
  }
  for (const Tensor &tensor : graph.initializers) {
    Known entry;
    if (const auto *values = tensor.integers())
      entry.integers = Integers{tensor.shape, *values};
    else if (tensor.shape.empty())
      entry.formula = Formula::constant(tensor.floats()->front());
    else
      entry.tensor = &tensor;
    names[tensor.name] = std::move(entry);
  }
}

FailureOr<Value> Importer::parameter(const Tensor &tensor) {
  Shape shape(tensor.shape.begin(), tensor.shape.end());
  bool isSwapped = shape.size() >= 2 && swapped.contains(tensor.name);
  if (isSwapped)
    std::swap(shape.end()[-1], shape.end()[-2]);
  std::string name = parameterName(tensor.name, users.lookup(tensor.name)), unique = name;
  for (unsigned i = 2; !taken.insert(unique).second; ++i)
    unique = name + "_" + std::to_string(i);
  auto value = model.addParameter(
      unique, shape, shape.size() < 2 ? Init() : Init::fanIn(std::max<int64_t>(1, shape.back())),
      model.spec.onnxFile.mark);
  if (failed(value))
    return failure();
  weights.push_back({unique, &tensor, isSwapped});
  if (!isSwapped)
    return value;
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, shape.size()));
  std::swap(permutation.end()[-1], permutation.end()[-2]);
  return createTranspose(model, value->getLoc(), *value, permutation);
}

FailureOr<Value> Importer::value(const Node &node, size_t index) {
  Known &entry = names[node.inputs[index]];
  if (entry.tensor) {
    auto made = parameter(*entry.tensor);
    if (failed(made))
      return failure();
    entry = Known{*made};
  }
  if (entry.value)
    return entry.value;
  // Scores that no softmax follows are a product like any other.
  if (entry.scores && !entry.scores->areShares && entry.scores->scale == 1) {
    Scores scores = *entry.scores;
    auto made = product(node, scores.query, scores.key);
    if (failed(made))
      return failure();
    entry = Known{*made};
    return entry.value;
  }
  InFlightDiagnostic diagnostic = error(node);
  if (entry.scores)
    return diagnostic << "'" << node.inputs[index]
                      << "' is a part of attention, which goes on with "
                      << "a softmax and a product with the values";
  if (entry.repeated)
    return diagnostic << "'" << node.inputs[index]
                      << "' is repeated by Expand; only Add and Concat can take it then";
  if (entry.integers)
    return diagnostic << "'" << node.inputs[index] << "' holds integers, not floats";
  if (entry.formula && entry.formula->asConstant())
    return diagnostic << "'" << node.inputs[index] << "' is a single number; a number may only be "
                      << "part of GELU";
  return diagnostic << "'" << node.inputs[index]
                    << "' is element-wise arithmetic that is no GELU: products and sums with "
                    << "numbers, powers, erf and tanh are supported as parts of GELU only";
}

FailureOr<Integers> Importer::integers(const Node &node, size_t index) const {
  const Known &entry = known(node, index);
  if (entry.integers)
    return *entry.integers;
  return error(node) << "'" << node.inputs[index]
                     << "' must be integers that are known before the model runs";
}

FailureOr<int64_t> Importer::axis(const Node &node, int64_t written, size_t rank) const {
  int64_t place = written < 0 ? written + int64_t(rank) : written;
  if (place >= 0 && place < int64_t(rank))
    return place;
  return error(node) << "there is no axis " << written << " in " << rank << " dimensions";
}

LogicalResult Importer::checkNode(const Node &node, const Operator &op) const {
  if (node.inputs.size() < op.least || node.inputs.size() > op.most)
    return error(node) << "has " << node.inputs.size() << " inputs";
  for (size_t i = 0; i < op.least; ++i)
    if (!has(node, i))
      return error(node) << "input " << i << " is missing";
  if (node.outputs.empty() || node.outputs.front().empty())
    return error(node) << "has no output";
  for (StringRef name : ArrayRef(node.outputs).drop_front())
    if (users.contains(name) && node.op != "Split")
      return error(node) << "its output '" << name << "' is used, but only the first is supported";
  return success();
}

LogicalResult Importer::importNode(const Node &node) {
  const Operator *op =
      llvm::find_if(operators(), [&](const Operator &each) { return each.name == node.op; });
  bool isStandard = node.domain.empty() || node.domain == "ai.onnx";
  if (op == operators().end() || !isStandard) {
    InFlightDiagnostic diagnostic = error(node);
    diagnostic << "this operator";
    if (!isStandard)
      diagnostic << " of domain '" << node.domain << "'";
    return diagnostic << " is not supported; supported: "
                      << llvm::join(llvm::map_range(operators(),
                                                    [](const Operator &each) { return each.name; }),
                                    ", ");
  }
  if (failed(checkNode(node, *op)))
    return failure();
  if (std::optional<Integers> folded = fold(node)) {
    give(node, {.integers = std::move(folded)});
    return success();
  }
  return (this->*op->import)(node);
}

bool Importer::isWeight(Value value) {
  // What was built since the last question; operands stand before their users.
  for (auto it = lastSeen ? std::next(lastSeen->getIterator()) : model.body->begin();
       it != model.body->end(); ++it) {
    lastSeen = &*it;
    if (llvm::all_of(it->getOperands(), [&](Value each) { return isKnownWeight(each); }))
      weightOps.insert(lastSeen);
  }
  return isKnownWeight(value);
}

bool Importer::isKnownWeight(Value value) const {
  // The first argument is the input, and no other that is no parameter is used.
  if (auto argument = dyn_cast<BlockArgument>(value))
    return argument.getArgNumber() != 0;
  return weightOps.contains(value.getDefiningOp());
}

FailureOr<Value> Importer::run(Value input) {
  prepareInitializers();
  names[graph.inputs.front().name] = Known{input};
  for (const Node &node : graph.nodes)
    if (failed(importNode(node)))
      return failure();
  Node result{"the graph's output", "output", "", {graph.outputs.front().name}, {}, {}};
  FailureOr<Value> logits = value(result, 0);
  if (failed(logits))
    return failure();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*model.body)))
    if (op.use_empty() && &op != logits->getDefiningOp())
      op.erase();
  return logits;
}

FailureOr<Graph> onnx::openGraph(const ModelContext &model) {
  auto error = [&] { return model.error(model.spec.onnxFile.mark) << fileName(model) << ": "; };
  Expected<Graph> graph = readGraph(model.spec.onnxFile.value);
  if (!graph)
    return model.error(model.spec.onnxFile.mark) << graph.error().message();
  constexpr size_t mostNodes = 20'000;
  if (graph->nodes.size() > mostNodes)
    return error() << "the graph has " << graph->nodes.size() << " nodes, more than " << mostNodes;
  if (graph->inputs.size() != 1 || graph->outputs.size() != 1)
    return error() << "the graph has " << graph->inputs.size() << " inputs and "
                   << graph->outputs.size() << " outputs; a model has one of each";
  const Port &input = graph->inputs.front();
  if (input.shape.size() < 2)
    return error() << "the input '" << input.name << "' has " << input.shape.size()
                   << " dimensions; it needs the batch and at least one more";
  for (const Dimension &dim : ArrayRef(input.shape).drop_front())
    if (!dim.size)
      return error() << "the input '" << input.name << "' has a dimension of unknown size ("
                     << (dim.symbol.empty() ? "without a name" : dim.symbol)
                     << "); only the first, the batch, may be open: export it with a fixed size";
  int64_t batch = input.shape.front().size;
  if (batch && batch != model.spec.train.microBatch())
    return error() << "the graph is for batches of " << batch << ", but the spec trains with "
                   << model.spec.train.microBatch()
                   << "; export it with an open batch dimension, or set train.batch_size to "
                   << batch;
  return std::move(*graph);
}

std::vector<int64_t> onnx::sampleShape(const Graph &graph) {
  std::vector<int64_t> shape;
  for (const Dimension &dim : ArrayRef(graph.inputs.front().shape).drop_front())
    shape.push_back(dim.size);
  return shape;
}

FailureOr<Value> onnx::importGraph(ModelContext &model, const Graph &graph, Value input,
                                   std::vector<Weight> &weights) {
  return Importer(model, graph, weights).run(input);
}
