// From one kernel's function to machine code: LLVM IR, LLVM's optimiser, an object file; and from
// object files to a shared object.
#pragma once

#include "compiler/target/cpu/Isa.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/Timing.h"
#include "runtime/base/Status.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>
#include <string>

namespace danaus::cpu {

/// Makes LLVM's code generator for this machine known; once, before any thread asks for it.
Status prepareTarget();

/// The code generator for an instruction set; each thread has its own.
std::unique_ptr<llvm::TargetMachine> targetMachine(const Isa &isa);

/// LLVM IR of a module that lowerKernels() lowered, optimised; each kernel has an entry of the kind
/// KernelFunction (runtime/plan/KernelAbi.h) with the kernel's name. Null after diagnostics.
std::unique_ptr<llvm::Module> translateKernel(mlir::ModuleOp kernel, const Isa &isa,
                                              llvm::TargetMachine &machine,
                                              llvm::LLVMContext &context,
                                              mlir::TimingScope &timing);

/// Machine code of an optimised module.
enum class CodeForm { Object, Assembly };
Expected<std::string> generateCode(llvm::Module &module, llvm::TargetMachine &machine,
                                   CodeForm form);

/// A shared object of object files, by ld.lld.
Expected<std::string> linkSharedObject(llvm::ArrayRef<std::string> objects);

} // namespace danaus::cpu
