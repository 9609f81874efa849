// The module, its function and its layers; linears and ops blocks have files of their own.
#include "compiler/import/ImportModel.h"

#include "compiler/import/LayerNames.h"
#include "compiler/import/ModelContext.h"
#include "compiler/onnx/Import.h"
#include "runtime/plan/Control.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::import;
using spec::Layer;
using spec::LayerKind;

namespace {
/// Walks the layers and builds their operations. Each member takes the value that flows into the
/// layer and returns the one that flows out.
class LayerImporter {
public:
  explicit LayerImporter(ModelContext &model) : model(model) {}

  /// The layers of one scope; `scope` is its full name.
  FailureOr<Value> importScope(ArrayRef<Layer> layers, StringRef scope, ScopeKind kind,
                               Value input);

private:
  FailureOr<Value> importSequence(ArrayRef<Layer> layers, StringRef scope, const LocalNames &names,
                                  Value input);
  FailureOr<Value> importLayer(const Layer &layer, StringRef scope, const LocalNames &names,
                               Value input);
  FailureOr<Value> importRepeat(const Layer &layer, StringRef name, Value input);
  FailureOr<Value> importResidual(const Layer &layer, StringRef scope, const LocalNames &names,
                                  StringRef name, Value input);
  FailureOr<Value> importFlatten(const Layer &layer, StringRef name, Value input);
  LogicalResult enter(const Layer &layer, StringRef name);

  ModelContext &model;
};

FailureOr<Value> LayerImporter::importScope(ArrayRef<Layer> layers, StringRef scope, ScopeKind kind,
                                            Value input) {
  FailureOr<LocalNames> names = nameLayers(model, layers, kind);
  if (failed(names))
    return failure();
  return importSequence(layers, scope, *names, input);
}

FailureOr<Value> LayerImporter::importSequence(ArrayRef<Layer> layers, StringRef scope,
                                               const LocalNames &names, Value input) {
  FailureOr<Value> value = input;
  for (const Layer &layer : layers)
    if (failed(value = importLayer(layer, scope, names, *value)))
      return failure();
  return value;
}

/// Takes the layer's name.
LogicalResult LayerImporter::enter(const Layer &layer, StringRef name) {
  auto [taken, isNew] = model.layerMarks.try_emplace(name, layer.mark);
  if (isNew || layer.kind == LayerKind::Repeat)
    return success();
  InFlightDiagnostic error = model.error({layer.name.mark, layer.mark});
  error << "two layers are called '" << name << "'; give one another name";
  error.attachNote(model.locationOf(taken->second)) << "the first is here";
  return failure();
}

FailureOr<Value> LayerImporter::importLayer(const Layer &layer, StringRef scope,
                                            const LocalNames &names, Value input) {
  std::string name = joinNames(scope, names.lookup(&layer));
  if (failed(enter(layer, name)))
    return failure();
  switch (layer.kind) {
  case LayerKind::Flatten:
    return importFlatten(layer, name, input);
  case LayerKind::Linear:
    return importLinear(model, layer, name, input);
  case LayerKind::Activation:
    return createActivation(model, model.locationOf(name, layer.mark), layer.activation, input);
  case LayerKind::Repeat:
    return importRepeat(layer, name, input);
  case LayerKind::Residual:
    return importResidual(layer, scope, names, name, input);
  case LayerKind::Ops:
    return importOps(model, layer, name, input);
  case LayerKind::PatchEmbed:
  case LayerKind::ClassToken:
  case LayerKind::PositionEmbedding:
  case LayerKind::MeanTokens:
  case LayerKind::SelectToken:
    return importTokenLayer(model, layer, name, input);
  case LayerKind::LayerNorm:
  case LayerKind::Attention:
  case LayerKind::Mlp:
  case LayerKind::Dropout:
  case LayerKind::DropPath:
    return importBlockLayer(model, layer, name, input);
  }
  llvm_unreachable("a layer without a case");
}

FailureOr<Value> LayerImporter::importRepeat(const Layer &layer, StringRef name, Value input) {
  FailureOr<LocalNames> names = nameLayers(model, layer.layers, ScopeKind::Repeat);
  if (failed(names))
    return failure();
  FailureOr<Value> value = input;
  for (int64_t i = 0; i < layer.times; ++i)
    if (failed(value = importSequence(layer.layers, joinNames(name, std::to_string(i)), *names,
                                      *value)))
      return failure();
  return value;
}

FailureOr<Value> LayerImporter::importResidual(const Layer &layer, StringRef scope,
                                               const LocalNames &names, StringRef name,
                                               Value input) {
  FailureOr<Value> branch = importSequence(layer.layers, scope, names, input);
  if (failed(branch))
    return failure();
  if (branch->getType() != input.getType())
    return model.error(layer.mark) << "the branch turns " << nn::shapeText(nn::shapeOf(input))
                                   << " into " << nn::shapeText(nn::shapeOf(*branch))
                                   << "; a residual adds the two, so they must be equal";
  return nn::AddOp::create(model.builder, model.locationOf(name, layer.mark), input, *branch)
      .getResult();
}

FailureOr<Value> LayerImporter::importFlatten(const Layer &layer, StringRef name, Value input) {
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  return createReshape(model, model.locationOf(name, layer.mark), input,
                       {shape[0], llvm::product_of(shape.drop_front())});
}

/// input, labels, control, and what mixing needs: the arguments that are not parameters.
FailureOr<Value> addDataArguments(ModelContext &model, ArrayRef<int64_t> sample) {
  const spec::Spec &spec = model.spec;
  SmallVector<int64_t> shape{spec.train.microBatch()};
  llvm::append_range(shape, sample);
  auto type =
      model.tensorOf(shape, {spec.train.batchSize.mark, spec.inputShape.mark}, "a batch of inputs");
  if (failed(type))
    return failure();
  auto location = [&](StringRef name, spec::Mark mark) { return model.locationOf(name, mark); };
  Value input = model.addArgument("input", "input", *type, location("input", spec.inputShape.mark));
  model.addArgument("labels", "label", RankedTensorType::get(shape[0], model.builder.getI32Type()),
                    location("labels", spec.data.mark));
  model.addArgument("control", "control", nn::tensorOf(model.context, int64_t(control::Count)),
                    location("control", spec.model));
  if (spec.train.mixesLabels) {
    Location mixed = location("mixed", spec.data.mark);
    model.addArgument("mix_labels", "mix_label",
                      RankedTensorType::get(shape[0], model.builder.getI32Type()), mixed);
    model.addArgument("mix_weight", "mix_weight", nn::tensorOf(model.context, shape[0]), mixed);
  }
  return input;
}

/// The loss of each row, whether it was hit, and the logits.
LogicalResult addLoss(ModelContext &model, Value logits) {
  const spec::Spec &spec = model.spec;
  ArrayRef<int64_t> shape = nn::shapeOf(logits);
  if (shape.size() != 2 || shape[0] != spec.train.microBatch()) {
    spec::Mark last = spec.layers.empty() ? spec.model : spec.layers.back().mark;
    return model.error(last) << "the model ends with shape " << nn::shapeText(shape)
                             << "; the loss needs one vector per image: add - flatten"
                             << (shape.size() == 3 ? ", or of tokens - mean_tokens or "
                                                     "- select_token: 0"
                                                   : "");
  }
  if (model.parameterCount == 0)
    return model.error(spec.model) << "the model has no parameters: there is nothing to train";
  Location loc = model.locationOf("loss", spec.train.loss);
  auto rows = nn::tensorOf(model.context, shape[0]);
  auto mix = [&](unsigned argument) {
    return spec.train.mixesLabels ? Value(model.body->getArgument(argument)) : Value();
  };
  auto loss = nn::CrossEntropyLossOp::create(model.builder, loc, rows, rows, logits, model.labels(),
                                             model.control(), mix(3), mix(4),
                                             llvm::APFloat(spec.train.labelSmoothing));
  func::ReturnOp::create(model.builder, loc, ValueRange{loss.getLoss(), loss.getCorrect(), logits});
  return success();
}

StringRef nameOf(spec::OptimizerKind kind) {
  switch (kind) {
  case spec::OptimizerKind::Sgd:
    return "sgd";
  case spec::OptimizerKind::Adam:
    return "adam";
  case spec::OptimizerKind::AdamW:
    return "adamw";
  }
  llvm_unreachable("an optimizer without a name");
}

void setModuleAttributes(ModuleOp module, const spec::Spec &spec) {
  Builder builder(module.getContext());
  const spec::Optimizer &optimizer = spec.optimizer;
  auto number = [&](StringRef name, double value) {
    return builder.getNamedAttr(name, builder.getF64FloatAttr(value));
  };
  module->setAttr("nn.name", builder.getStringAttr(spec.name.value));
  module->setAttr(
      "nn.optimizer",
      builder.getDictionaryAttr(
          {builder.getNamedAttr("kind", builder.getStringAttr(nameOf(optimizer.kind))),
           number("momentum", optimizer.momentum), number("beta1", optimizer.betas.value[0]),
           number("beta2", optimizer.betas.value[1]), number("epsilon", optimizer.epsilon),
           number("weight_decay", optimizer.weightDecay)}));
  if (spec.train.clipGradNorm > 0)
    module->setAttr("nn.clip_grad_norm", builder.getF64FloatAttr(spec.train.clipGradNorm));
  if (spec.train.mixesLabels)
    module->setAttr(nn::MixesAttr, builder.getUnitAttr());
  if (spec.train.recompute)
    module->setAttr(nn::RecomputeAttr, builder.getUnitAttr());
  if (spec.train.dtype != spec::DataType::F32)
    module->setAttr(nn::OperandsAttr, TypeAttr::get(spec.train.dtype == spec::DataType::Bf16
                                                        ? Type(builder.getBF16Type())
                                                        : Type(builder.getF16Type())));
  if (spec.train.ema > 0)
    module->setAttr(nn::EmaAttr, builder.getF64FloatAttr(spec.train.ema));
  if (spec.dist.bucketMb != spec::Dist().bucketMb)
    module->setAttr(nn::BucketAttr, builder.getI64IntegerAttr(spec.dist.bucketMb << 20));
  if (spec.dist.sharded && spec.train.ranks > 1)
    module->setAttr(nn::ShardsAttr, builder.getI64IntegerAttr(spec.train.ranks));
  if (spec.train.accumulate > 1)
    module->setAttr(nn::AccumulatesAttr, builder.getUnitAttr());
}

/// The same from the file of `kind: onnx`.
LogicalResult buildOnnxForward(ModelContext &model) {
  FailureOr<onnx::Graph> graph = onnx::openGraph(model);
  if (failed(graph))
    return failure();
  FailureOr<Value> input = addDataArguments(model, onnx::sampleShape(*graph));
  if (failed(input))
    return failure();
  std::vector<onnx::Weight> weights;
  FailureOr<Value> logits = onnx::importGraph(model, *graph, *input, weights);
  return failed(logits) ? failure() : addLoss(model, *logits);
}

/// Everything inside `function`, whose body is still without arguments.
LogicalResult buildForward(ModelContext &model) {
  if (model.spec.modelKind == spec::ModelKind::Onnx)
    return buildOnnxForward(model);
  if (failed(prepareRules(model)))
    return failure();
  FailureOr<Value> input = addDataArguments(model, model.spec.inputShape.value);
  if (failed(input))
    return failure();
  auto logits = LayerImporter(model).importScope(model.spec.layers, "", ScopeKind::Model, *input);
  if (failed(logits) || failed(checkRules(model)))
    return failure();
  return addLoss(model, *logits);
}
} // namespace

OwningOpRef<ModuleOp> danaus::importModel(const spec::Spec &spec, MLIRContext *context) {
  context->loadDialect<nn::NNDialect, func::FuncDialect>();
  OpBuilder builder(context);
  Location loc = UnknownLoc::get(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  setModuleAttributes(*module, spec);
  builder.setInsertionPointToEnd(module->getBody());
  auto function = func::FuncOp::create(builder, loc, "forward", builder.getFunctionType({}, {}));

  ModelContext model(spec, function.addEntryBlock(), context);
  module.get()->setLoc(model.locationOf(spec.name.mark));
  function->setLoc(model.locationOf("forward", spec.model));
  if (failed(buildForward(model)))
    return {};
  function.setType(builder.getFunctionType(model.body->getArgumentTypes(),
                                           model.body->getTerminator()->getOperandTypes()));
  function.setAllArgAttrs(model.argumentAttributes);
  if (failed(verify(*module)))
    return {};
  return module;
}
