// nn-build-steps: from @forward to the two programs that a model binary holds. The only place that
// knows what a training step consists of: forward, backward, metrics, update.
#include "compiler/Passes.h"
#include "dialects/nn/NN.h"

#include "mlir/IR/IRMapping.h"

namespace danaus {
#define GEN_PASS_DEF_NNBUILDSTEPS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// The arguments of @forward before the parameters: input, labels, control, and with nn.mixes
/// second labels and weights.
constexpr unsigned ControlArgument = 2, MixArguments = 2;

unsigned firstParameterOf(ModuleOp module) {
  return ControlArgument + 1 + (module->hasAttr(nn::MixesAttr) ? MixArguments : 0);
}

constexpr int64_t MetricsSize = 16;

/// Reverse-mode differentiation of one block: gradients of values that depend on a parameter.
class Differentiator {
public:
  Differentiator(OpBuilder &builder, Block &block, ArrayRef<BlockArgument> parameters)
      : builder(builder) {
    for (Value parameter : parameters)
      active.insert(parameter);
    for (Operation &op : block)
      if (llvm::any_of(op.getOperands(), [&](Value v) { return active.contains(v); })) {
        active.insert_range(op.getResults());
        order.push_back(&op);
      }
  }

  /// Fills the gradients of everything that `loss` depends on.
  LogicalResult run(Value loss) {
    for (Operation *op : llvm::reverse(order)) {
      SmallVector<Value> results =
          llvm::map_to_vector(op->getResults(), [&](Value v) { return gradients.lookup(v); });
      if (op != loss.getDefiningOp() && llvm::none_of(results, [](Value v) { return bool(v); }))
        continue;
      auto differentiable = dyn_cast<nn::DifferentiableOpInterface>(op);
      if (!differentiable)
        return op->emitOpError("has no gradient; it cannot stand between a parameter and the loss");
      llvm::BitVector wanted(op->getNumOperands());
      for (auto [i, operand] : llvm::enumerate(op->getOperands()))
        if (active.contains(operand))
          wanted.set(i);
      SmallVector<Value> operands(op->getNumOperands());
      differentiable.buildBackward(builder, results, wanted, operands);
      for (auto [i, operand] : llvm::enumerate(op->getOperands()))
        if (wanted[i] && operands[i])
          accumulate(operand, operands[i], op->getLoc());
    }
    return success();
  }

  Value gradientOf(Value value) const { return gradients.lookup(value); }

private:
  void accumulate(Value value, Value gradient, Location loc) {
    Value &sum = gradients[value];
    sum =
        sum ? nn::AddOp::create(builder, loc, sum.getType(), sum, gradient).getResult() : gradient;
  }

  OpBuilder &builder;
  DenseSet<Value> active;
  SmallVector<Operation *> order;
  DenseMap<Value, Value> gradients;
};

/// The optimizer of the spec: how much state a parameter has, and one update.
class Optimizer {
public:
  static FailureOr<Optimizer> of(ModuleOp module) {
    auto config = module->getAttrOfType<DictionaryAttr>("nn.optimizer");
    auto kind = config ? config.getAs<StringAttr>("kind") : StringAttr();
    if (!kind || !llvm::is_contained({"sgd", "adam", "adamw"}, kind.getValue()))
      return module.emitError(
          "needs the attribute nn.optimizer = {kind = \"sgd\" | \"adam\" | \"adamw\", ...}");
    return Optimizer(config, kind.getValue(),
                     module->getAttrOfType<FloatAttr>("nn.clip_grad_norm"));
  }

  ArrayRef<StringRef> stateNames() const { return states; }
  bool clips() const { return bool(maxNorm); }

  /// Emits the update; the results are the new parameter and its new state.
  Operation *update(OpBuilder &builder, Location loc, Value parameter, Value gradient,
                    Value control, Value metrics, ValueRange state, bool decays) const {
    Type type = parameter.getType();
    auto decay = builder.getF64FloatAttr(decays ? number("weight_decay", 0) : 0);
    if (kind == "sgd")
      return nn::SgdStepOp::create(builder, loc, type, state.empty() ? Type() : type, parameter,
                                   gradient, control, metrics, state.empty() ? Value() : state[0],
                                   builder.getF64FloatAttr(number("momentum", 0)), decay, maxNorm);
    return nn::AdamStepOp::create(builder, loc, type, type, type, parameter, gradient, control,
                                  metrics, state[0], state[1],
                                  builder.getF64FloatAttr(number("beta1", 0.9)),
                                  builder.getF64FloatAttr(number("beta2", 0.999)),
                                  builder.getF64FloatAttr(number("epsilon", 1e-8)), decay,
                                  kind == "adamw" ? builder.getUnitAttr() : UnitAttr(), maxNorm);
  }

private:
  Optimizer(DictionaryAttr config, StringRef kind, FloatAttr maxNorm)
      : config(config), kind(kind), maxNorm(maxNorm) {
    if (kind != "sgd")
      states = {"m", "v"};
    else if (number("momentum", 0) != 0)
      states = {"momentum"};
  }

  double number(StringRef key, double fallback) const {
    auto value = config.getAs<FloatAttr>(key);
    return value ? value.getValueAsDouble() : fallback;
  }

  DictionaryAttr config;
  StringRef kind;
  FloatAttr maxNorm;
  SmallVector<StringRef> states;
};

struct BuildSteps : danaus::impl::NNBuildStepsBase<BuildSteps> {
  void runOnOperation() override {
    auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
    firstParameter = firstParameterOf(getOperation());
    if (!forward || forward.getNumArguments() < firstParameter || forward.getNumResults() != 3) {
      getOperation().emitError("needs @forward(input, labels, control, ")
          << (firstParameter > ControlArgument + 1 ? "mix_labels, mix_weight, " : "")
          << "parameters...) -> (loss, correct, logits)";
      return signalPassFailure();
    }
    auto optimizer = Optimizer::of(getOperation());
    if (failed(optimizer) || failed(buildTrainStep(forward, *optimizer)))
      return signalPassFailure();
    buildEvalStep(forward);
    forward.erase();
  }

private:
  RankedTensorType metricsType() { return nn::tensorOf(&getContext(), {MetricsSize}); }

  /// A copy of @forward under another name, its terminator gone; returns what it returned.
  std::pair<func::FuncOp, SmallVector<Value>> copyOf(func::FuncOp forward, StringRef name) {
    OpBuilder builder(forward);
    auto copy = cast<func::FuncOp>(builder.clone(*forward));
    copy.setName(name);
    auto terminator = copy.front().getTerminator();
    SmallVector<Value> results(terminator->getOperands());
    terminator->erase();
    return {copy, results};
  }

  void finish(func::FuncOp step, OpBuilder &builder, ValueRange results) {
    func::ReturnOp::create(builder, step.getLoc(), results);
    step.setType(builder.getFunctionType(step.front().getArgumentTypes(), results.getTypes()));
  }

  /// Evaluation drops nothing.
  static void removeDropout(Block &block, MutableArrayRef<Value> results) {
    for (auto dropout : llvm::make_early_inc_range(block.getOps<nn::DropoutOp>())) {
      llvm::replace(results, dropout.getResult(), dropout.getInput());
      dropout.replaceAllUsesWith(dropout.getInput());
      dropout.erase();
    }
  }

  void buildEvalStep(func::FuncOp forward) {
    auto [step, values] = copyOf(forward, "eval_step");
    removeDropout(step.front(), values);
    auto builder = OpBuilder::atBlockEnd(&step.front());
    step.walk([](nn::CrossEntropyLossOp loss) { // evaluation knows one label
      loss.getMixLabelsMutable().clear();
      loss.getMixWeightMutable().clear();
    });
    Value metrics =
        nn::BatchMetricsOp::create(builder, step.getLoc(), metricsType(), values[0], values[1],
                                   step.getArgument(ControlArgument), Value());
    finish(step, builder, {metrics, values[2]});
  }

  LogicalResult buildTrainStep(func::FuncOp forward, const Optimizer &optimizer) {
    auto [step, values] = copyOf(forward, "train_step");
    auto builder = OpBuilder::atBlockEnd(&step.front());
    SmallVector<BlockArgument> parameters(step.getArguments().drop_front(firstParameter));
    Differentiator differentiator(builder, step.front(), parameters);
    if (failed(differentiator.run(values[0])))
      return failure();
    SmallVector<Value> gradients;
    for (BlockArgument parameter : parameters) {
      gradients.push_back(differentiator.gradientOf(parameter));
      if (!gradients.back())
        return step.emitError() << "parameter "
                                << step.getArgAttr(parameter.getArgNumber(), nn::NameAttr)
                                << " has no influence on the loss";
    }
    Value control = step.getArgument(ControlArgument), norm;
    if (optimizer.clips())
      norm = nn::SquareNormOp::create(builder, step.getLoc(), nn::tensorOf(&getContext(), {64}),
                                      gradients);
    Value metrics = nn::BatchMetricsOp::create(builder, step.getLoc(), metricsType(), values[0],
                                               values[1], control, norm);
    SmallVector<Value> newParameters, newStates;
    for (auto [parameter, gradient] : llvm::zip(parameters, gradients)) {
      SmallVector<Value> state;
      for (StringRef name : optimizer.stateNames())
        state.push_back(addState(step, parameter, name));
      Operation *update =
          optimizer.update(builder, gradient.getLoc(), parameter, gradient, control, metrics, state,
                           bool(step.getArgAttr(parameter.getArgNumber(), nn::DecayAttr)));
      newParameters.push_back(update->getResult(0));
      newStates.append(update->result_begin() + 1, update->result_end());
    }
    newParameters.append(newStates);
    newParameters.push_back(metrics);
    finish(step, builder, newParameters);
    return success();
  }

  /// Appends an argument for one state tensor of a parameter.
  Value addState(func::FuncOp step, BlockArgument parameter, StringRef name) {
    Builder builder(&getContext());
    auto owner = step.getArgAttrOfType<StringAttr>(parameter.getArgNumber(), nn::NameAttr);
    std::string full =
        (owner ? owner.str() : "arg" + std::to_string(parameter.getArgNumber())) + "." + name.str();
    auto attributes = builder.getDictionaryAttr(
        {builder.getNamedAttr(nn::NameAttr, builder.getStringAttr(full)),
         builder.getNamedAttr(nn::RoleAttr, builder.getStringAttr("state"))});
    if (failed(step.insertArgument(step.getNumArguments(), parameter.getType(), attributes,
                                   parameter.getLoc())))
      return {};
    return step.getArguments().back();
  }

  unsigned firstParameter = 0;
};

} // namespace
