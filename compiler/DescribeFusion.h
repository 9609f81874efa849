// Collects what Fusion.h tells while a module goes through the last phases: reasons where kernels
// are fused, the kernels when all are there, their names from the plan.
#pragma once

#include "compiler/Fusion.h"
#include "compiler/lower/Apart.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace danaus {

class FusionDescriber {
public:
  /// Of a module at Stage::Fused, whose kernels get numbers.
  FusionDescriber(mlir::ModuleOp module, const std::optional<GpuShape> &gpu);

  /// At Stage::Kernels: packed operands and partial sums have kernels too. Numbers anew.
  void describeKernels();

  /// At Stage::Plan.
  Fusion named();

private:
  void describeStep(mlir::func::FuncOp step, FusionStep &out);

  mlir::ModuleOp module;
  llvm::StringMap<std::vector<Apart>> apart; ///< of each step
  Fusion fusion;
  /// For each reason that speaks of a kernel: step, kernel, neighbour, and that kernel.
  struct Mention {
    size_t step, kernel, neighbour, named;
  };
  std::vector<Mention> mentions;
};

} // namespace danaus
