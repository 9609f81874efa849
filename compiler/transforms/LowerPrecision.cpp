// nn-lower-precision: the only place that knows which values have 16 bits. Runs on steps that are
// differentiated already: gradients are those of the float32 model, taken at rounded operands. What
// the backward pass would otherwise keep or read in float32, beside or in place of a rounded value,
// is read rounded: inputs of activations, and what the gradients of biases sum up.
#include "compiler/Passes.h"
#include "dialects/nn/NN.h"

namespace danaus {
#define GEN_PASS_DEF_NNLOWERPRECISION
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

struct LowerPrecision : danaus::impl::NNLowerPrecisionBase<LowerPrecision> {
  void runOnOperation() override {
    auto operands = getOperation()->getParentOp()->getAttrOfType<TypeAttr>(nn::OperandsAttr);
    if (!operands)
      return;
    to = operands;
    SmallVector<nn::ContractOp> contracts(getOperation().getOps<nn::ContractOp>());
    for (nn::ContractOp contract : contracts)
      for (OpOperand &operand : contract->getOpOperands())
        operand.set(roundedOf(operand.get()));
    for (auto sum : getOperation().getOps<nn::SumLeadingOp>())
      if (Value copy = rounded.lookup(sum.getInput()))
        sum.getInputMutable().assign(copy);
    SmallVector<Operation *> gradients;
    for (Operation &op : getOperation().front())
      if (isActivationGradient(&op))
        gradients.push_back(&op);
    for (Operation *gradient : gradients)
      gradient->setOperand(0, savedFor(gradient));
  }

private:
  /// The value rounded, right behind the place where it is made: what makes it can then round it.
  Value roundedOf(Value value) {
    Value &known = rounded[value];
    if (!known) {
      OpBuilder builder(&getContext());
      builder.setInsertionPointAfterValue(value);
      known = nn::RoundOp::create(builder, value.getLoc(), value.getType(), value, to);
    }
    return known;
  }

  static bool isActivationGradient(Operation *op) {
    return isa<nn::ReluBackwardOp, nn::GeluBackwardOp, nn::GeluTanhBackwardOp>(op);
  }

  /// Whether another operation of the backward pass reads the value, or a view of it, as it is:
  /// then it stays in float32 in any case, and rounding would keep it twice. A residual stream is
  /// read by norms. Readers of the forward pass don't count: they are done by then.
  static bool isKeptAsItIs(Value value) {
    return llvm::any_of(value.getUsers(), [](Operation *user) {
      if (auto view = dyn_cast<nn::ReshapeOp>(user))
        return isKeptAsItIs(view.getResult());
      return isa<nn::LayerNormBackwardOp, nn::LayerNormWeightBackwardOp, nn::AttentionBackwardOp>(
          user);
    });
  }

  /// What an activation's gradient reads in place of the activation's input x: of a ReLU its
  /// rounded result, where a product needs that anyway, which is above 0 where x is, or is too
  /// small for 16 bits; else the rounded x, unless x is kept as it is. A function's argument is
  /// there anyway.
  Value savedFor(Operation *gradient) {
    Value input = gradient->getOperand(0);
    if (isa<nn::ReluBackwardOp>(gradient))
      for (Operation *user : input.getUsers())
        if (auto relu = dyn_cast<nn::ReluOp>(user))
          if (Value result = rounded.lookup(relu);
              result && result.getDefiningOp()->isBeforeInBlock(gradient))
            return result;
    if (Value copy = rounded.lookup(input))
      return copy;
    return !input.getDefiningOp() || isKeptAsItIs(input) ? input : roundedOf(input);
  }

  TypeAttr to;
  DenseMap<Value, Value> rounded; ///< by what they round
};

} // namespace
