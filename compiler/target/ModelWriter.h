// From planned modules to the tables of a model binary.
#pragma once

#include "compiler/Layers.h"
#include "compiler/import/Spec.h"
#include "runtime/plan/model_generated.h"

#include "mlir/IR/BuiltinOps.h"

namespace danaus {

/// What the binary says of the model, before any target and without phases (from any phase's
/// @forward).
fb::ModelT describeModel(const spec::Spec &spec, mlir::func::FuncOp forward);

/// Phase `index` of the spec without targets: parameters, layers, costs (from its @forward).
std::unique_ptr<fb::PhaseT> describePhase(const spec::Spec &spec, size_t index,
                                          mlir::func::FuncOp forward);

/// One target's plan (a module at stage plan, its kernels emitted); parameters in the order of
/// `phase`.
std::unique_ptr<fb::TargetPlanT> describePlan(mlir::ModuleOp module, const fb::PhaseT &phase,
                                              llvm::StringRef target, llvm::StringRef isa,
                                              uint32_t codeSection);

} // namespace danaus
