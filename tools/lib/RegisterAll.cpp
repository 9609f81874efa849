// The lists behind RegisterAll.h. A new dialect or pass of ours is one line here.
#include "tools/lib/RegisterAll.h"

#include "compiler/Passes.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"
#include "dialects/plan/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/Passes.h"

void danaus::registerAllDialects(mlir::DialectRegistry &registry) {
  registry
      .insert<nn::NNDialect, kernel::KernelDialect, plan::PlanDialect, mlir::arith::ArithDialect,
              mlir::func::FuncDialect, mlir::LLVM::LLVMDialect, mlir::math::MathDialect,
              mlir::memref::MemRefDialect, mlir::scf::SCFDialect, mlir::vector::VectorDialect>();
}

void danaus::registerAllPasses() {
  registerDanausPasses();
  mlir::registerTransformsPasses();
}
