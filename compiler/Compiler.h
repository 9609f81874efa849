// The compiler's core as the programs see it: a spec in, a stage or a model binary out. Everything
// that goes wrong is emitted as a diagnostic on the context.
#pragma once

#include "compiler/import/Spec.h"
#include "runtime/base/Status.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Support/Timing.h"
#include "llvm/Support/raw_ostream.h"

#include <cstddef>
#include <string>
#include <vector>

namespace danaus {

/// The stages of the compiler, in order; what holds after each stands in Pipelines.cpp.
enum class Stage { Nn, Structure, Gradient, Fused, Kernels, Plan, Llvm, Asm, Cuda, Ptx };

/// What code is generated for.
struct Target {
  std::string device = "cpu"; ///< cpu, cuda
  /// cpu: avx512, avx2, ...; empty: this machine's best. cuda: an architecture, sm_80; empty: the
  /// oldest that has everything our kernels use (cuda::defaultArch).
  std::string isa;

  bool operator==(const Target &) const = default;
};

/// Runs the phases up to and including `stage` on an imported module; diagnostics are emitted. Here
/// and below, what is done is timed inside `timing` (an empty scope times nothing).
mlir::LogicalResult runPhases(mlir::ModuleOp module, Stage stage, const Target &target,
                              mlir::TimingScope &timing);

/// Prints a stage (IR text, LLVM IR, assembly, CUDA C++ or PTX) of a module that runPhases()
/// brought there.
mlir::LogicalResult printStage(mlir::ModuleOp module, Stage stage, const Target &target,
                               llvm::raw_ostream &os, mlir::TimingScope &timing);

/// Where CPU kernels are kept that were compiled before.
struct KnownKernels {
  std::string folder;   ///< empty: nowhere, all are compiled
  std::string compiler; ///< compilerKey() of this program
};

/// The whole way for every target, from the imported modules of the spec's phases (importPhases;
/// they are changed): the bytes of a model file. Kernels are compiled on the context's threads: the
/// same bytes for any number of them, and whatever kernels are known. Errors of the spec are
/// emitted; the Error says how the program should end.
Expected<std::vector<std::byte>>
compileModel(const spec::Spec &spec, llvm::ArrayRef<mlir::OwningOpRef<mlir::ModuleOp>> phases,
             llvm::ArrayRef<Target> targets, const KnownKernels &known, mlir::TimingScope &timing);

} // namespace danaus
