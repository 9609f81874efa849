// From the kernels' functions to machine code: MLIR to LLVM IR, LLVM's optimiser, an object file, a
// shared object.
#pragma once

#include "compiler/target/cpu/Isa.h"

#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/Status.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <memory>
#include <string>
#include <vector>

namespace danaus::cpu {

/// LLVM IR of emitKernels()'s module, optimised; each kernel has an entry of the kind
/// KernelFunction (runtime/plan/KernelAbi.h) with the kernel's name. Null after diagnostics.
std::unique_ptr<llvm::Module> translateKernels(mlir::ModuleOp kernels, const Isa &isa,
                                               llvm::LLVMContext &context);

/// Machine code of an optimised module.
enum class CodeForm { Object, Assembly };
Expected<std::string> generateCode(llvm::Module &module, const Isa &isa, CodeForm form);

/// A shared object of one object file, by ld.lld.
Expected<std::string> linkSharedObject(const std::string &object);

} // namespace danaus::cpu
