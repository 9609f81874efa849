// From the emitted kernels to what is kept of them: a shared object, or text for people.
#pragma once

#include "compiler/target/cpu/Isa.h"
#include "compiler/target/cpu/KernelObjects.h"
#include "compiler/target/cpu/ObjectCode.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/Timing.h"
#include "runtime/base/Status.h"

#include <string>
#include <vector>

namespace danaus::cpu {

/// An object file for every module of `kernels` (emitKernels()), in order. As many are compiled at
/// a time as the context has threads; the bytes do not depend on that. What goes wrong in a kernel
/// is emitted as a diagnostic; of several, the Status names the first in the order of `kernels`.
Expected<std::vector<std::string>> compileKernels(mlir::ModuleOp kernels, const Isa &isa,
                                                  mlir::TimingScope &timing);

/// An object file for every kernel of `module` (at stage plan), in order: what `known` has of them,
/// and the others emitted and compiled. Sets the kernels' plan.tiles and plan.scratch.
Expected<std::vector<std::string>> objectsOf(mlir::ModuleOp module, const Isa &isa,
                                             const KernelObjects &known, mlir::TimingScope &timing);

/// All kernels in one optimised LLVM module, to be printed. Null after diagnostics.
std::unique_ptr<llvm::Module> joinKernels(mlir::ModuleOp kernels, const Isa &isa,
                                          llvm::LLVMContext &context, mlir::TimingScope &timing);

} // namespace danaus::cpu
