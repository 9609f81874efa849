// The weights of an .onnx file as a safetensors file: what `danausc --emit=weights` writes.
#include "compiler/onnx/Importer.h"
#include "runtime/safetensors/Safetensors.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;
using namespace danaus::import;

/// The last two dimensions exchanged.
static std::vector<float> swappedData(const Tensor &tensor) {
  const std::vector<float> &from = *tensor.floats();
  size_t rows = size_t(tensor.shape.end()[-2]), columns = size_t(tensor.shape.back());
  std::vector<float> result(from.size());
  for (size_t block = 0; block < from.size(); block += rows * columns)
    for (size_t row = 0; row < rows; ++row)
      for (size_t column = 0; column < columns; ++column)
        result[block + column * rows + row] = from[block + row * columns + column];
  return result;
}

static Status write(const std::vector<Weight> &weights, const std::string &path) {
  std::vector<std::vector<float>> copies;
  copies.reserve(weights.size());
  std::vector<TensorRef> tensors;
  for (const Weight &weight : weights) {
    const Tensor &tensor = *weight.tensor;
    std::vector<uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
    if (weight.isSwapped)
      std::swap(shape.end()[-1], shape.end()[-2]);
    copies.push_back(weight.isSwapped ? swappedData(tensor) : *tensor.floats());
    tensors.push_back({weight.name, shape, copies.back().data()});
  }
  return writeSafetensors(path, tensors, {{"format", "pt"}});
}

Status onnx::writeWeights(const std::string &onnxFile, const std::string &path) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<nn::NNDialect, func::FuncDialect>();
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      text = diagnostic.str();
    return success();
  });
  auto refused = [&] { return Error(ExitCode::CheckpointInvalid, text); };

  // A graph for one fixed batch is imported for that.
  Expected<Graph> file = readGraph(onnxFile);
  if (!file)
    return file.takeError();
  spec::Spec spec;
  spec.onnxFile.value = onnxFile;
  bool isFixed = !file->inputs.empty() && !file->inputs[0].shape.empty();
  int64_t batch = isFixed ? file->inputs[0].shape[0].size : 0;
  spec.train.batchSize.value = std::max<int64_t>(1, batch);

  OpBuilder builder(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  builder.setInsertionPointToEnd(module->getBody());
  auto function =
      func::FuncOp::create(builder, module->getLoc(), "forward", builder.getFunctionType({}, {}));
  ModelContext model(spec, function.addEntryBlock(), &context);
  FailureOr<Graph> graph = openGraph(model);
  if (failed(graph))
    return refused();
  SmallVector<int64_t> shape{spec.train.microBatch()};
  llvm::append_range(shape, sampleShape(*graph));
  auto type = model.tensorOf(shape, {}, "a batch of inputs");
  if (failed(type))
    return refused();
  Value input = model.addArgument("input", "input", *type, module->getLoc());
  std::vector<Weight> weights;
  if (failed(importGraph(model, *graph, input, weights)))
    return refused();
  return write(weights, path);
}
