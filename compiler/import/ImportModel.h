// From a checked spec to the nn dialect. Infers every shape, decides every layer's structure and
// refuses what does not fit, at the place in the spec that says so.
#pragma once

#include "compiler/import/Spec.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <vector>

namespace danaus {

/// Builds the module of `spec`: one function
///   @forward(input, labels, control, parameters...) -> (row losses, row hits, logits)
/// with argument attributes as NN.h names them, and the module attributes nn.name, nn.optimizer and
/// (where the spec clips) nn.clip_grad_norm. Every operation is located at NameLoc("hidden.0",
/// file:line:column). Parameters stand in the order of their layers, factors before biases.
/// Null after an error, which was emitted at its mark.
mlir::OwningOpRef<mlir::ModuleOp> importModel(const spec::Spec &spec, mlir::MLIRContext *context);

/// The modules of all phases of `spec`, in order; a spec without phases has one. Refuses phases
/// that change nothing and a structure section that no phase uses. Empty after an error, which was
/// emitted.
std::vector<mlir::OwningOpRef<mlir::ModuleOp>> importPhases(const spec::Spec &spec,
                                                            mlir::MLIRContext *context);

} // namespace danaus
