// The phases of the compiler; Pipelines.cpp is the page to read first.
#pragma once

#include "compiler/Compiler.h"
#include "compiler/lower/BlockCost.h"
#include "compiler/target/cpu/Isa.h"
#include "compiler/target/cuda/Arch.h"

#include "mlir/Pass/PassManager.h"

#include <variant>

namespace danaus {

/// What the passes must know of the machine that code is generated for.
using Machine = std::variant<const cpu::Isa *, const cuda::Arch *>;

/// Adds the passes that lead from stage `from`, whose own are done, to `stage` (plan at most).
void buildPhases(mlir::OpPassManager &passes, Stage from, Stage stage, const Machine &machine);

/// What fusing was planned for on a GPU; none for a CPU.
std::optional<GpuShape> gpuShapeOf(const Machine &machine);

} // namespace danaus
