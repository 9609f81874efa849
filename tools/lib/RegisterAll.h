// What the developers' programs (danaus-opt, danaus-reduce, ...) know: one list of our dialects and
// passes, and of the upstream ones that our stages use. danausc does without it.
#pragma once

#include "mlir/IR/DialectRegistry.h"

namespace danaus {

/// Every dialect that may occur in a module of ours, at any stage.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Every pass of ours, and the upstream clean-up passes, under their command-line names.
void registerAllPasses();

} // namespace danaus
