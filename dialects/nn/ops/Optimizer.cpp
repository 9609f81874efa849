// Verifiers of the optimizer steps.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus::nn;

namespace {
LogicalResult verifyUpdate(Operation *op, Value parameter, ValueRange alike,
                           std::optional<llvm::APFloat> maxNorm) {
  // sgd_step_c1, adam_step_c1
  for (Value value : alike)
    if (value && value.getType() != parameter.getType())
      return op->emitOpError() << "parameter " << shapeText(shapeOf(parameter))
                               << " and its gradient and state " << shapeText(shapeOf(value))
                               << " differ in shape";
  // sgd_step_c2, adam_step_c2
  if (maxNorm && !(maxNorm->convertToDouble() > 0))
    return op->emitOpError() << "max_norm must be positive, got " << maxNorm->convertToDouble();
  return success();
}
} // namespace

LogicalResult SgdStepOp::verify() {
  if (bool(getVelocity()) != bool(getNewVelocity()))
    return emitOpError() << "velocity must be both taken and given, or neither";
  return verifyUpdate(*this, getParameter(),
                      {getGradient(), getVelocity(), getNewParameter(), getNewVelocity()},
                      getMaxNorm());
}

LogicalResult AdamStepOp::verify() {
  return verifyUpdate(*this, getParameter(),
                      {getGradient(), getM(), getV(), getNewParameter(), getNewM(), getNewV()},
                      getMaxNorm());
}

LogicalResult EmaStepOp::verify() {
  // ema_step_c1
  double decay = getDecay().convertToDouble();
  if (!(decay > 0 && decay < 1))
    return emitOpError() << "decay must be between 0 and 1, got " << decay;
  // ema_step_c2
  auto parameter = dyn_cast<OpResult>(getParameter());
  if (!parameter || !isa<SgdStepOp, AdamStepOp>(parameter.getOwner()) ||
      parameter.getResultNumber() != 0)
    return emitOpError("averages something else than the new parameter of an update");
  for (Operation *user : getParameter().getUsers())
    if (isa<EmaStepOp>(user) && user != *this)
      return emitOpError("is the second average of one parameter");
  return success();
}
