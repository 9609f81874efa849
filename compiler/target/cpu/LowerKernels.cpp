// The passes between the emitters and LLVM. A kernel is a module of its own here, so that passes
// over modules, which MLIR cannot run on several functions of one module at a time, run in
// parallel.
#include "compiler/target/cpu/LowerKernels.h"

#include "compiler/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

void addLowering(OpPassManager &passes, const Isa &isa) {
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  CpuExpandMathOptions math;
  math.isaName = isa.name.str();
  passes.addPass(createCpuExpandMath(math));
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions functions;
  functions.useBarePtrCallConv = true;
  passes.addPass(createConvertFuncToLLVMPass(functions));
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
}

} // namespace

LogicalResult danaus::cpu::lowerKernels(ModuleOp kernels, const Isa &isa, TimingScope &timing) {
  PassManager passes(kernels.getContext());
  (void)applyPassManagerCLOptions(passes); // fails where a program has no such options
  passes.enableTiming(timing);
  addLowering(passes.nest<ModuleOp>(), isa);
  return passes.run(kernels);
}
