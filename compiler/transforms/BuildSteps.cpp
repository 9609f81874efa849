// nn-build-steps: from @forward to the programs that a model binary holds. The only place that
// knows what a training step consists of: forward, backward, metrics, update.
#include "compiler/Passes.h"
#include "compiler/transforms/Differentiator.h"

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

/// How many partial sums the norm of all gradients is made of: fixed, so that it does not depend on
/// the number of threads, and enough for many of them.
constexpr int64_t NormParts = 64;

/// The optimizer of the spec: how much state a parameter has, and one update.
class Optimizer {
public:
  static FailureOr<Optimizer> of(ModuleOp module) {
    auto config = module->getAttrOfType<DictionaryAttr>("nn.optimizer");
    auto kind = config ? config.getAs<StringAttr>("kind") : StringAttr();
    if (!kind || !llvm::is_contained({"sgd", "adam", "adamw"}, kind.getValue()))
      return module.emitError(
          "needs the attribute nn.optimizer = {kind = \"sgd\" | \"adam\" | \"adamw\", ...}");
    return Optimizer(config, kind.getValue(), module->getAttrOfType<FloatAttr>("nn.clip_grad_norm"),
                     scalesOf(module));
  }

  ArrayRef<StringRef> stateNames() const { return states; }
  /// Whether an update reads the norm of the gradient.
  bool needsNorm() const { return maxNorm || scaled; }
  UnitAttr isScaled() const { return scaled; }

  /// Emits the update; the results are the new parameter and its new state.
  Operation *update(OpBuilder &builder, Location loc, Value parameter, Value gradient,
                    Value control, Value metrics, ValueRange state, bool decays) const {
    Type type = parameter.getType();
    auto decay = builder.getF64FloatAttr(decays ? number("weight_decay", 0) : 0);
    if (kind == "sgd")
      return nn::SgdStepOp::create(builder, loc, type, state.empty() ? Type() : type, parameter,
                                   gradient, control, metrics, state.empty() ? Value() : state[0],
                                   builder.getF64FloatAttr(number("momentum", 0)), decay, maxNorm,
                                   scaled);
    return nn::AdamStepOp::create(
        builder, loc, type, type, type, parameter, gradient, control, metrics, state[0], state[1],
        builder.getF64FloatAttr(number("beta1", 0.9)),
        builder.getF64FloatAttr(number("beta2", 0.999)),
        builder.getF64FloatAttr(number("epsilon", 1e-8)), decay,
        kind == "adamw" ? builder.getUnitAttr() : UnitAttr(), maxNorm, scaled);
  }

private:
  Optimizer(DictionaryAttr config, StringRef kind, FloatAttr maxNorm, UnitAttr scaled)
      : config(config), kind(kind), maxNorm(maxNorm), scaled(scaled) {
    if (kind != "sgd")
      states = {"m", "v"};
    else if (number("momentum", 0) != 0)
      states = {"momentum"};
  }

  /// Gradients are scaled where operands are float16, whose smallest number is 6e-8.
  static UnitAttr scalesOf(ModuleOp module) {
    auto operands = module->getAttrOfType<TypeAttr>(nn::OperandsAttr);
    return operands && operands.getValue().isF16() ? UnitAttr::get(module.getContext())
                                                   : UnitAttr();
  }

  double number(StringRef key, double fallback) const {
    auto value = config.getAs<FloatAttr>(key);
    return value ? value.getValueAsDouble() : fallback;
  }

  DictionaryAttr config;
  StringRef kind;
  FloatAttr maxNorm;
  UnitAttr scaled;
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
    parameterCount = forward.getNumArguments() - firstParameter;
    auto optimizer = Optimizer::of(getOperation());
    if (failed(optimizer))
      return signalPassFailure();
    bool accumulates = getOperation()->hasAttr(nn::AccumulatesAttr);
    if (failed(accumulates ? buildGradientStep(forward) : buildTrainStep(forward, *optimizer)))
      return signalPassFailure();
    if (accumulates)
      buildUpdateStep(forward, *optimizer);
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
                                   step.getArgument(ControlArgument), Value(), UnitAttr());
    finish(step, builder, {metrics, values[2]});
  }

  /// The gradients of all parameters, emitted at the end of `step`.
  FailureOr<SmallVector<Value>> differentiate(func::FuncOp step, OpBuilder &builder, Value loss) {
    bool recomputes = getOperation()->hasAttr(nn::RecomputeAttr);
    Differentiator differentiator(builder, step.front(), parametersOf(step),
                                  recomputes ? BlockValues::Recomputed : BlockValues::Kept);
    if (failed(differentiator.run(loss)))
      return failure();
    SmallVector<Value> gradients;
    for (BlockArgument parameter : parametersOf(step)) {
      gradients.push_back(differentiator.gradientOf(parameter));
      if (!gradients.back())
        return step.emitError() << "parameter "
                                << step.getArgAttr(parameter.getArgNumber(), nn::NameAttr)
                                << " has no influence on the loss";
    }
    return gradients;
  }

  LogicalResult buildTrainStep(func::FuncOp forward, const Optimizer &optimizer) {
    auto [step, values] = copyOf(forward, "train_step");
    auto builder = OpBuilder::atBlockEnd(&step.front());
    auto gradients = differentiate(step, builder, values[0]);
    if (failed(gradients))
      return failure();
    appendUpdate(step, builder, optimizer, *gradients, values[0], values[1]);
    return success();
  }

  /// Norm, metrics and the update of every parameter; finishes the step.
  void appendUpdate(func::FuncOp step, OpBuilder &builder, const Optimizer &optimizer,
                    ArrayRef<Value> gradients, Value loss, Value correct) {
    Value control = step.getArgument(ControlArgument), norm;
    if (optimizer.needsNorm())
      norm = nn::SquareNormOp::create(builder, step.getLoc(),
                                      nn::tensorOf(&getContext(), {NormParts}), gradients);
    Value metrics = nn::BatchMetricsOp::create(builder, step.getLoc(), metricsType(), loss, correct,
                                               control, norm, optimizer.isScaled());
    SmallVector<Value> newParameters, newStates;
    for (auto [parameter, gradient] : llvm::zip(parametersOf(step), gradients)) {
      SmallVector<Value> state;
      for (StringRef name : optimizer.stateNames())
        state.push_back(addArgument(step, parameter, name, "state"));
      Operation *update =
          optimizer.update(builder, gradient.getLoc(), parameter, gradient, control, metrics, state,
                           bool(step.getArgAttr(parameter.getArgNumber(), nn::DecayAttr)));
      newParameters.push_back(update->getResult(0));
      newStates.append(update->result_begin() + 1, update->result_end());
      if (auto decay = getOperation()->getAttrOfType<FloatAttr>(nn::EmaAttr)) {
        Value average = addArgument(step, parameter, "ema", "state");
        newStates.push_back(nn::EmaStepOp::create(builder, gradient.getLoc(), average.getType(),
                                                  average, update->getResult(0), metrics, decay));
      }
    }
    newParameters.append(newStates);
    newParameters.push_back(metrics);
    finish(step, builder, newParameters);
  }

  // --- an update in several micro-batches -------------------------------------------------------

  /// Appends what @gradient_step adds up and @update_step reads: a gradient per parameter, then the
  /// row losses and row hits.
  SmallVector<Value> addSums(func::FuncOp step, Type rows) {
    SmallVector<Value> sums;
    for (BlockArgument parameter : parametersOf(step))
      sums.push_back(addArgument(step, parameter, "gradient", "gradient"));
    for (StringRef name : {"loss_sum", "correct_sum"})
      sums.push_back(addArgument(step, name, rows, step.getLoc(), "sum"));
    return sums;
  }

  /// Forward and backward of one micro-batch; returns the new sums.
  LogicalResult buildGradientStep(func::FuncOp forward) {
    auto [step, values] = copyOf(forward, "gradient_step");
    auto builder = OpBuilder::atBlockEnd(&step.front());
    auto gradients = differentiate(step, builder, values[0]);
    if (failed(gradients))
      return failure();
    SmallVector<Value> terms(*gradients);
    terms.append({values[0], values[1]});
    SmallVector<Value> sums = addSums(step, values[0].getType());
    for (auto [sum, term] : llvm::zip_equal(sums, terms))
      sum = nn::AccumulateOp::create(builder, term.getLoc(), sum.getType(), sum, term,
                                     step.getArgument(ControlArgument));
    finish(step, builder, sums);
    return success();
  }

  /// The update from the sums. It has the arguments of @gradient_step and behind them the states.
  void buildUpdateStep(func::FuncOp forward, const Optimizer &optimizer) {
    auto [step, values] = copyOf(forward, "update_step");
    Type rows = values[0].getType();
    while (!step.front().empty())
      step.front().back().erase();
    auto builder = OpBuilder::atBlockEnd(&step.front());
    SmallVector<Value> sums = addSums(step, rows);
    size_t count = sums.size() - 2;
    appendUpdate(step, builder, optimizer, ArrayRef(sums).take_front(count), sums[count],
                 sums[count + 1]);
  }

  /// A copy: appending arguments moves those that are there.
  SmallVector<BlockArgument> parametersOf(func::FuncOp step) {
    return SmallVector<BlockArgument>(step.getArguments().slice(firstParameter, parameterCount));
  }

  /// Appends an argument.
  Value addArgument(func::FuncOp step, StringRef name, Type type, Location loc, StringRef role) {
    Builder builder(&getContext());
    auto attributes = builder.getDictionaryAttr(
        {builder.getNamedAttr(nn::NameAttr, builder.getStringAttr(name)),
         builder.getNamedAttr(nn::RoleAttr, builder.getStringAttr(role))});
    if (failed(step.insertArgument(step.getNumArguments(), type, attributes, loc)))
      return {};
    return step.getArguments().back();
  }

  /// Appends an argument for one more tensor of a parameter's shape.
  Value addArgument(func::FuncOp step, BlockArgument parameter, StringRef name, StringRef role) {
    auto owner = step.getArgAttrOfType<StringAttr>(parameter.getArgNumber(), nn::NameAttr);
    std::string full =
        (owner ? owner.str() : "arg" + std::to_string(parameter.getArgNumber())) + "." + name.str();
    return addArgument(step, full, parameter.getType(), parameter.getLoc(), role);
  }

  unsigned firstParameter = 0, parameterCount = 0;
};

} // namespace
