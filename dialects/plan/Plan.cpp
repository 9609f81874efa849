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

LogicalResult AllReduceOp::verify() {
  // all_reduce_c1
  if (getOffset() < 0 || getOffset() % 64 != 0 || getElements() <= 0)
    return emitOpError() << "of " << getElements() << " elements at " << getOffset()
                         << ": needs at least one, at a multiple of 64";
  // all_reduce_c2
  int64_t before = 0;
  for (auto other : getOperation()->getBlock()->getOps<AllReduceOp>()) {
    if (other == *this)
      break;
    ++before;
  }
  if (int64_t(getNumber()) != before)
    return emitOpError() << "has the number " << getNumber() << ", but " << before
                         << " stand before it";
  return success();
}

LogicalResult WaitOp::verify() {
  // wait_c1
  for (auto begun : getOperation()->getBlock()->getOps<AllReduceOp>())
    if (begun.getNumber() == getNumber() && begun->isBeforeInBlock(*this))
      return success();
  return emitOpError() << "for all_reduce " << getNumber() << ", which does not stand before it";
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
