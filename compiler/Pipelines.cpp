// THE page: the phases in order, and what holds after each.
#include "compiler/Pipelines.h"

#include "compiler/Passes.h"

#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace danaus;

/// Every linear that has a structure is a structured operation, however it was written.
static void structurePhase(OpPassManager &passes) {
  passes.addNestedPass<func::FuncOp>(createNNRecognise());
  passes.addPass(createCanonicalizerPass());
}

/// @forward is gone; @train_step (or @gradient_step and @update_step) and @eval_step hold
/// contractions, element-wise operations, losses and updates.
static void gradientPhase(OpPassManager &passes) {
  passes.addNestedPass<func::FuncOp>(createNNExpandLinears());
  passes.addPass(createNNBuildSteps());
  passes.addPass(createCanonicalizerPass());
  passes.addNestedPass<func::FuncOp>(createNNLowerPrecision());
  passes.addPass(createCSEPass());
}

/// Every operation is a kernel; element-wise code sits in epilogues. For a CPU, kernels over the same
/// rows are chains.
static void fusedPhase(OpPassManager &passes, const Machine &machine) {
  const auto *isa = std::get_if<const cpu::Isa *>(&machine);
  passes.addNestedPass<func::FuncOp>(createNNFormKernels({isa && (*isa)->matrixUnit}));
  passes.addNestedPass<func::FuncOp>(createKernelFuseEpilogues());
  passes.addNestedPass<func::FuncOp>(createKernelFuseRounding());
  if (isa)
    passes.addNestedPass<func::FuncOp>(createKernelFormChains());
  passes.addPass(createCSEPass());
}

/// Every kernel has tile sizes for the machine, and on a CPU reads weights in the order in which it
/// needs them.
static void kernelsPhase(OpPassManager &passes, const Machine &machine) {
  if (const auto *isa = std::get_if<const cpu::Isa *>(&machine)) {
    passes.addNestedPass<func::FuncOp>(
        createKernelChooseTiles({(*isa)->width, (*isa)->registers, (*isa)->matrixUnit}));
    passes.addNestedPass<func::FuncOp>(createKernelPackOperands({(*isa)->width}));
  } else {
    passes.addNestedPass<func::FuncOp>(createKernelChooseBlocks());
  }
  passes.addPass(createCSEPass());
}

/// Every kernel is a function; every value has a place in the arena; programs are stages of
/// launches.
static void planPhase(OpPassManager &passes) { passes.addPass(createKernelPlan()); }

void danaus::buildPhases(OpPassManager &passes, Stage stage, const Machine &machine) {
  if (stage >= Stage::Structure)
    structurePhase(passes);
  if (stage >= Stage::Gradient)
    gradientPhase(passes);
  if (stage >= Stage::Fused)
    fusedPhase(passes, machine);
  if (stage >= Stage::Kernels)
    kernelsPhase(passes, machine);
  if (stage >= Stage::Plan)
    planPhase(passes);
}
