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

LogicalResult LiveOp::verify() {
  // live_c1
  if (getOffset() < 0 || getOffset() % 64 != 0 || getBytes() <= 0)
    return emitOpError() << "of " << getBytes() << " bytes at " << getOffset()
                         << ": needs at least one, at a multiple of 64";
  // live_c2
  if (getFirst() < 0 || getLast() < getFirst())
    return emitOpError() << "from stage " << getFirst() << " to stage " << getLast()
                         << ": stages count from 0, and the first comes first";
  return success();
}

std::optional<Collective> danaus::plan::collectiveOf(Operation *op) {
  auto described = [](auto op, CollectiveKind kind) {
    return Collective{kind, int64_t(op.getNumber()), int64_t(op.getOffset()),
                      int64_t(op.getElements()), op.getLabel()};
  };
  if (auto reduce = dyn_cast<AllReduceOp>(op))
    return described(reduce, CollectiveKind::AllReduce);
  if (auto scatter = dyn_cast<ReduceScatterOp>(op))
    return described(scatter, CollectiveKind::ReduceScatter);
  if (auto gather = dyn_cast<AllGatherOp>(op))
    return described(gather, CollectiveKind::AllGather);
  return std::nullopt;
}

static LogicalResult verifyCollective(Operation *op) {
  Collective collective = *collectiveOf(op);
  // collective_c1
  if (collective.offset < 0 || collective.offset % 64 != 0 || collective.elements <= 0)
    return op->emitOpError() << "of " << collective.elements << " elements at " << collective.offset
                             << ": needs at least one, at a multiple of 64";
  if (collective.kind != CollectiveKind::AllReduce && collective.elements % 16 != 0)
    return op->emitOpError() << "of " << collective.elements
                             << " elements: ranks have parts of whole 64 bytes";
  // collective_c2
  int64_t before = llvm::count_if(*op->getBlock(), [&](Operation &other) {
    return collectiveOf(&other) && other.isBeforeInBlock(op);
  });
  if (collective.number != before)
    return op->emitOpError() << "has the number " << collective.number << ", but " << before
                             << " stand before it";
  return success();
}

LogicalResult AllReduceOp::verify() { return verifyCollective(*this); }
LogicalResult ReduceScatterOp::verify() { return verifyCollective(*this); }
LogicalResult AllGatherOp::verify() { return verifyCollective(*this); }

LogicalResult WaitOp::verify() {
  // wait_c1
  for (Operation &begun : *getOperation()->getBlock())
    if (auto collective = collectiveOf(&begun))
      if (collective->number == int64_t(getNumber()) && begun.isBeforeInBlock(*this))
        return success();
  return emitOpError() << "for number " << getNumber() << ", which does not stand before it";
}

LogicalResult ShardOp::verify() {
  // shard_c1
  SmallVector<int64_t> places(getStates());
  places.append({int64_t(getParameters()), int64_t(getGradients()), int64_t(getBytes())});
  if (int64_t(getBytes()) <= 0 ||
      llvm::any_of(places, [](int64_t place) { return place < 0 || place % 64 != 0; }))
    return emitOpError() << "\"" << getLabel() << "\" of " << getBytes()
                         << " bytes a rank: needs positive bytes and offsets, multiples of 64";
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
  // launch_c3
  if (auto strides = getStrides())
    if (strides->size() != expected ||
        llvm::any_of(*strides, [](int64_t stride) { return stride < 0 || stride % 64 != 0; }))
      return emitOpError() << "needs a stride for each of its " << expected
                           << " offsets, a multiple of 64, not [" << *strides << "]";
  return success();
}
