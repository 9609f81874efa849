// The exporter's frame: arguments, nodes and their names. A node is called "/layer/Op" like those
// of PyTorch's exporter, and its result as the node, so that viewers group them by layer.
#include "compiler/onnx/Exporter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;

static constexpr int64_t opset = 17; // the first with LayerNormalization

static StringRef textOf(func::FuncOp forward, unsigned index, StringRef attribute) {
  auto text = forward.getArgAttrOfType<StringAttr>(index, attribute);
  return text ? text.getValue() : "";
}

std::vector<TensorRef> onnx::parametersOf(func::FuncOp forward) {
  std::vector<TensorRef> tensors;
  for (unsigned i = 0; i < forward.getNumArguments(); ++i) {
    ArrayRef<int64_t> shape = nn::shapeOf(forward.getArgument(i));
    if (textOf(forward, i, nn::RoleAttr) == "parameter")
      tensors.push_back({textOf(forward, i, nn::NameAttr).str(),
                         {shape.begin(), shape.end()},
                         /*data=*/nullptr});
  }
  return tensors;
}

Exported Exporter::node(StringRef op, ArrayRef<std::string> inputs, Exported result,
                        std::vector<Attribute> attributes) {
  std::string name = ("/" + layer + "/" + op).str();
  if (unsigned count = counts[name]++)
    name += "_" + std::to_string(count);
  result.name = name + "_output_0";
  graph.nodes.push_back({name, op.str(), "", inputs.vec(), {result.name}, std::move(attributes)});
  return result;
}

Exported Exporter::same(StringRef op, const Exported &x, ArrayRef<std::string> inputs) {
  return node(op, inputs, x);
}

std::string Exporter::number(float value) {
  std::string name = format("danaus::number_%.9g", double(value)); // two floats, two names
  auto [entry, isNew] = constants.try_emplace(name, name);
  if (isNew)
    graph.initializers.push_back({name, {}, std::vector<float>{value}});
  return entry->second;
}

std::string Exporter::numbers(ArrayRef<int64_t> values) {
  std::string name = "danaus::numbers";
  for (int64_t value : values)
    name += "_" + std::to_string(value);
  auto [entry, isNew] = constants.try_emplace(name, name);
  if (isNew)
    graph.initializers.push_back({name, {int64_t(values.size())}, values.vec()});
  return entry->second;
}

Exported Exporter::transpose(const Exported &x, ArrayRef<int64_t> permutation) {
  if (llvm::is_sorted(permutation))
    return x;
  Exported result;
  for (auto [i, from] : llvm::enumerate(permutation)) {
    result.shape.push_back(x.shape[size_t(from)]);
    if (x.batch && int64_t(*x.batch) == from)
      result.batch = unsigned(i);
  }
  return node("Transpose", {x.name}, std::move(result), {{"perm", permutation.vec()}});
}

/// The batch is where as many elements stand before it as before; its size is left open.
Exporter::Result Exporter::reshape(const Exported &x, ArrayRef<int64_t> shape) {
  if (ArrayRef(x.shape) == shape)
    return x;
  Exported result{"", Shape(shape), std::nullopt};
  Shape written(shape);
  if (x.batch) {
    int64_t before = llvm::product_of(ArrayRef(x.shape).take_front(*x.batch)), passed = 1;
    for (unsigned i = 0; i < shape.size() && !result.batch; passed *= shape[i++])
      if (passed == before && shape[i] % batchSize == 0 &&
          (shape[i] != 1 || x.shape[*x.batch] == 1))
        result.batch = i;
    if (!result.batch && batchKind == Batch::Open)
      return current->emitError() << "a reshape of " << nn::shapeText(x.shape) << " to "
                                  << nn::shapeText(shape)
                                  << " mixes the batch with other dimensions: export the model for "
                                     "one size of the batch (--batch N)";
    if (result.batch && batchKind == Batch::Open)
      written[*result.batch] = -1;
  }
  return node("Reshape", {x.name, numbers(written)}, std::move(result));
}

Exported Exporter::pad(const Exported &x, ArrayRef<int64_t> low, ArrayRef<int64_t> shape) {
  if (ArrayRef(x.shape) == shape)
    return x;
  Shape pads(low);
  for (size_t i = 0; i < shape.size(); ++i)
    pads.push_back(shape[i] - x.shape[i] - low[i]);
  return node("Pad", {x.name, numbers(pads)}, {"", Shape(shape), x.batch});
}

Exported Exporter::slice(const Exported &x, ArrayRef<int64_t> low, ArrayRef<int64_t> shape) {
  Shape starts, ends, axes;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == x.shape[i])
      continue;
    starts.push_back(low[i]);
    ends.push_back(low[i] + shape[i]);
    axes.push_back(int64_t(i));
  }
  if (axes.empty())
    return x;
  return node("Slice", {x.name, numbers(starts), numbers(ends), numbers(axes)},
              {"", Shape(shape), x.batch});
}

Exported Exporter::matMul(const Exported &a, const Exported &b) {
  Exported result{"", a.shape, a.batch ? a.batch : b.batch};
  result.shape.back() = b.shape.back();
  return node("MatMul", {a.name, b.name}, std::move(result));
}

Exported Exporter::add(const Exported &a, const Exported &b) {
  return same("Add", a, {a.name, b.name});
}

LogicalResult Exporter::exportArguments(func::FuncOp forward, const SafetensorsFile &weights) {
  for (unsigned i = 0; i < forward.getNumArguments(); ++i) {
    Value argument = forward.getArgument(i);
    StringRef role = textOf(forward, i, nn::RoleAttr);
    if (role != "parameter" && role != "input")
      continue;
    std::string name = textOf(forward, i, nn::NameAttr).str();
    Shape shape(nn::shapeOf(argument));
    std::optional<unsigned> batch;
    if (role == "input") {
      batch = 0;
      batchSize = shape[0];
      Port port{name, {}};
      for (int64_t size : shape)
        port.shape.push_back({size, ""});
      if (batchKind == Batch::Open)
        port.shape[0] = {0, "batch"};
      graph.inputs.push_back(std::move(port));
    } else {
      std::vector<float> data(size_t(llvm::product_of(shape)));
      if (Status status = weights.readFloats(name, data.data(), data.size()); !status)
        return forward.emitError() << status.error().message();
      graph.initializers.push_back({name, {shape.begin(), shape.end()}, std::move(data)});
    }
    values[argument] = {name, shape, batch};
  }
  return success();
}

LogicalResult Exporter::exportOp(Operation *op) {
  current = op;
  if (auto name = op->getLoc()->findInstanceOf<NameLoc>())
    layer = name.getName().str();
  if (isa<nn::CrossEntropyLossOp, func::ReturnOp>(op))
    return success();
  Result result =
      TypeSwitch<Operation *, Result>(op)
          .Case<nn::ReshapeOp, nn::TransposeOp, nn::PadOp, nn::SliceOp>(
              [&](auto) { return exportMovement(op); })
          .Case<nn::ReluOp, nn::GeluOp, nn::GeluTanhOp>([&](auto) { return exportActivation(op); })
          .Case<nn::AddOp>([&](auto add) { return this->add(of(add.getLhs()), of(add.getRhs())); })
          .Case<nn::DropoutOp>([&](auto dropout) { return of(dropout.getInput()); })
          .Case<nn::AttentionOp>([&](auto attention) { return exportAttention(attention); })
          .Case<nn::LayerNormOp>([&](auto norm) { return exportLayerNorm(norm); })
          .Case<nn::MeanTokensOp>([&](auto mean) {
            const Exported &x = of(mean.getInput());
            return node("ReduceMean", {x.name}, {"", {x.shape[0], x.shape[2]}, x.batch},
                        {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t(0)}});
          })
          .Default([&](Operation *) { return exportProduct(op); });
  if (failed(result))
    return failure();
  values[op->getResult(0)] = std::move(*result);
  return success();
}

LogicalResult Exporter::run(func::FuncOp forward, const SafetensorsFile &weights) {
  graph.opset = opset;
  if (failed(exportArguments(forward, weights)))
    return failure();
  for (Operation &op : forward.front())
    if (failed(exportOp(&op)))
      return failure();
  constexpr unsigned logitsResult = 2;
  const Exported &logits = of(forward.front().getTerminator()->getOperand(logitsResult));
  // The last node gives the output its name.
  constexpr char output[] = "logits";
  graph.nodes.push_back({"/output/Identity", "Identity", "", {logits.name}, {output}, {}});
  Port port{output, {{logits.shape[0], ""}, {logits.shape[1], ""}}};
  if (batchKind == Batch::Open)
    port.shape[0] = {0, "batch"};
  graph.outputs.push_back(std::move(port));
  return success();
}

Expected<Graph> onnx::exportForward(ModuleOp module, const SafetensorsFile &weights, Batch batch) {
  auto forward = module.lookupSymbol<func::FuncOp>("forward");
  if (Status status = requireTensors(weights, parametersOf(forward)); !status)
    return status.takeError();
  Graph graph;
  if (auto name = module->getAttrOfType<StringAttr>("nn.name"))
    graph.name = name.getValue().str();
  if (failed(Exporter(graph, batch).run(forward, weights)))
    return Error(ExitCode::Internal, "the model cannot be written as an ONNX graph");
  return graph;
}
