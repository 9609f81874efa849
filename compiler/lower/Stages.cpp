// See Stages.h.
#include "compiler/lower/Stages.h"

#include "compiler/lower/BlockCost.h"
#include "compiler/lower/MatrixUnit.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace danaus;

bool danaus::movesNothing(Operation *op) { return isa_and_nonnull<nn::ReshapeOp, nn::AfterOp>(op); }

Value danaus::rootOf(Value value) {
  while (movesNothing(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

SmallVector<Value> danaus::readsOf(Operation *op) {
  llvm::SetVector<Value> values(op->getOperands().begin(), op->getOperands().end()), roots;
  getUsedValuesDefinedAbove(op->getRegions(), values);
  for (size_t i = 0; i < values.size(); ++i) {
    roots.insert(rootOf(values[i]));
    for (Value v = values[i]; movesNothing(v.getDefiningOp()); v = v.getDefiningOp()->getOperand(0))
      if (auto after = v.getDefiningOp<nn::AfterOp>())
        values.insert(after.getEarlier());
  }
  return roots.takeVector();
}

int64_t danaus::macsOf(Operation *op) {
  int64_t macs = 0;
  op->walk([&](kernel::ContractOp contract) { macs += contract.getMacs(); });
  if (auto attention = dyn_cast<kernel::AttentionOp>(op))
    macs += 2 * attention.getProductMacs();
  if (auto attention =
          dyn_cast<kernel::AttentionBackwardOp>(op)) // scores again, and four gradients
    macs += 5 * attention.getProductMacs();
  return macs;
}

int64_t danaus::matrixMacsOf(Operation *op, Processor processor) {
  int64_t macs = 0;
  bool onGpu = processor == Processor::Gpu;
  op->walk([&](kernel::ContractOp contract) {
    if (onGpu ? usesTensorCores(contract) : contract.getMatrixUnit())
      macs += contract.getMacs();
  });
  auto isOnMatrixUnit = [&](auto attention) {
    return attention && (onGpu ? attendsOnTensorCores(attention) : attention.getMatrixUnit());
  };
  if (isOnMatrixUnit(dyn_cast<kernel::AttentionOp>(op)) ||
      isOnMatrixUnit(dyn_cast<kernel::AttentionBackwardOp>(op)))
    macs += macsOf(op);
  return macs;
}

int64_t danaus::matrixProductsOf(Operation *op) {
  bool splits = false;
  op->walk([&](kernel::ContractOp contract) { splits |= isSplit(contract); });
  return splits ? SplitProducts : 1;
}

bool danaus::isOfUpdate(Operation *op) { return isa<kernel::UpdateOp, kernel::SquareNormOp>(op); }

Stages danaus::stagesOf(func::FuncOp step) {
  Stages stages;
  DenseMap<Value, int64_t> ready;               // the stage after the one that makes the value
  DenseMap<Value, int64_t> lastRead, usedUntil; // the latter not by the update: the stage behind
  for (Operation &op : step.front().without_terminator()) {
    if (movesNothing(&op))
      continue;
    int64_t stage = 0;
    for (Value value : readsOf(&op))
      stage = std::max(stage, ready.lookup(value));
    if (isOfUpdate(&op))
      for (auto update : step.getOps<kernel::UpdateOp>())
        for (Value gradient : update.getGradients())
          stage =
              std::max({stage, ready.lookup(rootOf(gradient)), usedUntil.lookup(rootOf(gradient))});
    if (auto update = dyn_cast<kernel::UpdateOp>(op))
      for (Value parameter : update.getParameters())
        stage = std::max(stage, lastRead.lookup(parameter) + 1);
    for (Value value : readsOf(&op)) {
      lastRead[value] = std::max(lastRead.lookup(value), stage);
      if (!isOfUpdate(&op))
        usedUntil[value] = std::max(usedUntil.lookup(value), stage + 1);
    }
    for (Value result : op.getResults())
      ready[result] = stage + 1;
    stages[&op] = stage;
  }
  return stages;
}
