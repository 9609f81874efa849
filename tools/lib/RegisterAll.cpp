// The lists behind RegisterAll.h. A new dialect or pass of ours is one line here.
#include "tools/lib/RegisterAll.h"

#include "compiler/Passes.h"
#include "dialects/nn/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/Passes.h"

void danaus::registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<nn::NNDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect>();
}

void danaus::registerAllPasses() {
  registerDanausPasses();
  mlir::registerTransformsPasses();
}
