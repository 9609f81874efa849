// The phases of the compiler; Pipelines.cpp is the page to read first.
#pragma once

#include "compiler/Compiler.h"
#include "compiler/target/cpu/Isa.h"

#include "mlir/Pass/PassManager.h"

namespace danaus {

/// Adds the passes that lead from stage nn to `stage` (plan at most).
void buildPhases(mlir::OpPassManager &passes, Stage stage, const cpu::Isa &isa);

} // namespace danaus
