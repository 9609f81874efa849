// The compiler's core as the programs see it: a spec in, a stage or a model binary out. Everything
// that goes wrong is emitted as a diagnostic on the context.
#pragma once

#include "compiler/import/Spec.h"
#include "runtime/base/Status.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/Support/Timing.h"
#include "llvm/Support/raw_ostream.h"

#include <string>

namespace danaus {

/// The stages of the compiler, in order; what holds after each stands in Pipelines.cpp.
enum class Stage { Nn, Structure, Gradient, Fused, Kernels, Plan, Llvm, Asm };

struct CpuTarget {
  std::string isa; ///< avx512, avx2, baseline; empty: this machine's best
};

/// Runs the phases up to and including `stage` on an imported module; diagnostics are emitted. Here
/// and below, what is done is timed inside `timing` (an empty scope times nothing).
mlir::LogicalResult runPhases(mlir::ModuleOp module, Stage stage, const CpuTarget &target,
                              mlir::TimingScope &timing);

/// Prints a stage (IR text, LLVM IR or assembly) of a module that runPhases() brought there.
mlir::LogicalResult printStage(mlir::ModuleOp module, Stage stage, const CpuTarget &target,
                               llvm::raw_ostream &os, mlir::TimingScope &timing);

/// Prints one row per kernel of a module at Stage::Fused: the spec's lines it covers, the bytes it
/// saves, and for neighbours that were not fused, why not.
mlir::LogicalResult printFusion(mlir::ModuleOp module, llvm::raw_ostream &os);

/// The whole way for every target, from an imported module (which is changed); writes `path`
/// atomically. Kernels are compiled on the context's threads: the same bytes for any number of
/// them. Errors of the spec are emitted; the Status says how the program should end.
Status compileToFile(const spec::Spec &spec, mlir::ModuleOp imported,
                     llvm::ArrayRef<CpuTarget> targets, llvm::StringRef path,
                     mlir::TimingScope &timing);

} // namespace danaus
