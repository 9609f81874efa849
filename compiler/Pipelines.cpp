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

/// How many blocks of threads the passes plan for: an A100's.
static constexpr unsigned Multiprocessors = 108;

static unsigned sharedBytesOf(const Machine &machine) {
  return unsigned(std::get<const cuda::Arch *>(machine)->sharedBytes);
}

/// Which rounded operands lie in memory as such, because the machine multiplies them.
static NNFormKernelsOptions storedTypes(const Machine &machine) {
  if (const auto *isa = std::get_if<const cpu::Isa *>(&machine))
    return {(*isa)->matrixUnit, false, (*isa)->matrixUnit, (*isa)->matrixUnit};
  const auto *arch = std::get<const cuda::Arch *>(machine);
  return {arch->multipliesBf16(), arch->multipliesF16(), true, false};
}

/// Every operation is a kernel; element-wise code sits in epilogues, kernels over the same rows are
/// chains: on a CPU all of them, on a GPU what a block of threads can hold.
static void fusedPhase(OpPassManager &passes, const Machine &machine) {
  const auto *isa = std::get_if<const cpu::Isa *>(&machine);
  passes.addNestedPass<func::FuncOp>(createNNFormKernels(storedTypes(machine)));
  passes.addNestedPass<func::FuncOp>(createKernelFuseEpilogues());
  passes.addNestedPass<func::FuncOp>(createKernelFuseRounding());
  if (isa)
    passes.addNestedPass<func::FuncOp>(createKernelFormChains());
  else
    passes.addNestedPass<func::FuncOp>(
        createKernelFormBlockChains({Multiprocessors, sharedBytesOf(machine)}));
  passes.addPass(createCSEPass());
}

/// Every kernel has tile sizes for the machine. On a CPU it reads weights in the order in which it
/// needs them and keeps out of the caches what is needed much later; on a GPU long sums are of many
/// blocks.
static void kernelsPhase(OpPassManager &passes, const Machine &machine) {
  if (const auto *isa = std::get_if<const cpu::Isa *>(&machine)) {
    passes.addNestedPass<func::FuncOp>(
        createKernelChooseTiles({(*isa)->width, (*isa)->registers, (*isa)->matrixUnit}));
    passes.addNestedPass<func::FuncOp>(createKernelPackOperands({(*isa)->width}));
    passes.addNestedPass<func::FuncOp>(createKernelStreamResults());
  } else {
    passes.addNestedPass<func::FuncOp>(
        createKernelSplitSums({Multiprocessors, sharedBytesOf(machine)}));
    passes.addNestedPass<func::FuncOp>(
        createKernelChooseBlocks({Multiprocessors, sharedBytesOf(machine)}));
  }
  passes.addPass(createCSEPass());
}

/// Every kernel is a function; every value has a place in the arena; programs are stages of
/// launches.
static void planPhase(OpPassManager &passes, const Machine &machine) {
  passes.addPass(createKernelPlan({std::holds_alternative<const cuda::Arch *>(machine)}));
}

void danaus::buildPhases(OpPassManager &passes, Stage from, Stage stage, const Machine &machine) {
  auto leadsBy = [&](Stage each) { return from < each && stage >= each; };
  if (leadsBy(Stage::Structure))
    structurePhase(passes);
  if (leadsBy(Stage::Gradient))
    gradientPhase(passes);
  if (leadsBy(Stage::Fused))
    fusedPhase(passes, machine);
  if (leadsBy(Stage::Kernels))
    kernelsPhase(passes, machine);
  if (leadsBy(Stage::Plan))
    planPhase(passes, machine);
}

std::optional<GpuShape> danaus::gpuShapeOf(const Machine &machine) {
  if (std::holds_alternative<const cpu::Isa *>(machine))
    return std::nullopt;
  return GpuShape{Multiprocessors, sharedBytesOf(machine)};
}
