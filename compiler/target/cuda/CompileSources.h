// From the kernels of a planned module to a section of CUDA code.
#pragma once

#include "compiler/target/cuda/EmitKernels.h"
#include "runtime/base/Status.h"

#include "mlir/Support/Timing.h"

namespace danaus::cuda {

/// Emits and compiles the kernels of a module at stage plan for `arch`, on the context's threads.
/// Where NVRTC is not here, or is too new for `arch`, the section holds the sources alone,
/// `warning` says why, and they are compiled where they run. Errors of kernels are emitted.
Expected<std::string> compileKernels(mlir::ModuleOp module, const Arch &arch, std::string &warning,
                                     mlir::TimingScope &timing);

/// The PTX of all kernels, one behind the other.
Expected<std::string> ptxOf(mlir::ModuleOp module, const Arch &arch, mlir::TimingScope &timing);

} // namespace danaus::cuda
