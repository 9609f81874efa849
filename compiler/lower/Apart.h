// Why the kernels of a step are not fewer: the obstacle between each kernel and those whose results
// it reads, by the rules that the fusing passes decided by.
#pragma once

#include "compiler/lower/BlockCost.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>

namespace danaus {

/// One kernel reads what another makes, and the fusing passes left them apart.
struct Apart {
  int64_t from, to;   ///< numbers of kernels (FusionRecord.h)
  std::string reason; ///< said of `to`: "sums over rows"; empty if none is known
  int64_t bytes = 0;  ///< that pass between them
  /// A kernel that the reason speaks of: its name stands after the reason. None: -1.
  int64_t via = -1;
};

/// Numbers the kernels of a step that the fusing passes have left, and says for each pair of
/// neighbours why they are two; in the order of the kernels. `gpu` is what kernels were fused for;
/// none: a CPU.
std::vector<Apart> explainApart(mlir::func::FuncOp step, const std::optional<GpuShape> &gpu);

/// The same for kernels of which one was made later, by a pass that prepares operands or cuts sums.
llvm::StringRef reasonOfLatePass(mlir::Operation *maker, mlir::Operation *reader);

} // namespace danaus
