// nn-lower-precision: the only place that knows which values have 16 bits. Runs on steps that are
// differentiated already: gradients are those of the float32 model, taken at rounded operands.
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
    DenseMap<Value, Value> rounded;
    SmallVector<nn::ContractOp> contracts(getOperation().getOps<nn::ContractOp>());
    for (nn::ContractOp contract : contracts)
      for (OpOperand &operand : contract->getOpOperands())
        operand.set(roundedOf(operand.get(), rounded));
  }

private:
  /// The value rounded, right behind the place where it is made: what makes it can then round it.
  Value roundedOf(Value value, DenseMap<Value, Value> &rounded) {
    Value &known = rounded[value];
    if (!known) {
      OpBuilder builder(&getContext());
      builder.setInsertionPointAfterValue(value);
      known = nn::RoundOp::create(builder, value.getLoc(), value.getType(), value, to);
    }
    return known;
  }

  TypeAttr to;
};

} // namespace
