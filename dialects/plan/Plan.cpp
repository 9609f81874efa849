// Registration and verifiers of the plan dialect.
#include "dialects/plan/Plan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace danaus::plan;

#include "dialects/plan/PlanDialect.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.cpp.inc"

void PlanDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/plan/PlanOps.cpp.inc"
      >();
}

LogicalResult BufferOp::verify() {
  // buffer_c1
  if (getOffset() < 0 || getOffset() % 64 != 0)
    return emitOpError() << "'" << getName() << "' lies at " << getOffset()
                         << ", not at a multiple of 64";
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // launch_c1
  auto kernel = symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getKernelAttr());
  if (!kernel)
    return emitOpError() << "kernel @" << getKernel() << " does not exist";
  // launch_c2
  size_t expected = kernel.getNumArguments() + kernel.getNumResults();
  if (getOffsets().size() != expected)
    return emitOpError() << "gives " << getOffsets().size() << " offsets; @" << getKernel()
                         << " needs " << expected;
  return success();
}
