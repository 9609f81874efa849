// kernel.reduce: a call takes a few vectors of columns of one batch and goes down its rows, sums in
// registers.
#include "compiler/target/cpu/Emitter.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

/// Rows that are further apart, in elements, are asked for RowsAhead rows before they are read.
static constexpr int64_t FarElements = 256, RowsAhead = 4;

namespace {

/// Asks for what stands at a point, if it is a line of its own: rows are too far apart for the
/// processor to foresee the next one.
void prefetch(Emitter &e, const Operand &operand, ValueRange point) {
  if (operand.access.along(2) != Access::Motion::Unit ||
      operand.access.offset.plain(1) < FarElements)
    return;
  memref::PrefetchOp::create(e.b, e.loc, operand.view.memory, e.offsetOf(operand, point),
                             /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
}

} // namespace

int64_t danaus::cpu::emitReduce(Emitter &e, kernel::ReduceOp op, ViewOf viewOf, Value call) {
  ArrayRef<int64_t> sizes = op.getSizes();
  int64_t batch = sizes[0], rows = sizes[1], columns = sizes[2];
  // Sums take half of the registers at most.
  int64_t mostVectors = std::min<int64_t>(8, e.isa.registers / 2 / int64_t(op.getResults().size()));
  int64_t vectors = std::clamp<int64_t>(mostVectors, 1, llvm::divideCeil(columns, e.width()));
  int64_t slabs = llvm::divideCeil(columns, vectors * e.width());
  std::vector<Operand> inputs, results;
  for (auto [i, input] : llvm::enumerate(op.getInputs()))
    inputs.push_back(operandOf(input, op.getMap(i), sizes, ~0u, viewOf));
  for (auto [i, result] : llvm::enumerate(op.getResults()))
    results.push_back(operandOf(result, op.getResultMap(i), sizes, ~0u, viewOf));

  Value sample = batch == 1 ? e.index(0) : e.div(call, slabs);
  Value first = e.mul(e.rem(call, slabs), vectors * e.width());
  auto at = [&](Value row, int64_t v) {
    return SmallVector<Value>{sample, row, e.add(first, e.index(v * e.width()))};
  };
  SmallVector<Value> zeros(vectors * results.size(), e.zero(e.b.getF32Type()));
  auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.index(rows), e.index(1), zeros);
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> sums;
    for (int64_t v = 0; v < vectors; ++v) {
      SmallVector<Value> arguments;
      Value ahead = e.add(loop.getInductionVar(), e.index(RowsAhead));
      if (rows >= 4 * RowsAhead)
        for (const Operand &input : inputs)
          prefetch(e, input, at(ahead, v));
      for (const Operand &input : inputs)
        arguments.push_back(e.loadVector(input, at(loop.getInductionVar(), v), 2));
      for (Value term : e.vectorise(op.getBody().front(), arguments))
        sums.push_back(arith::AddFOp::create(e.b, e.loc, loop.getRegionIterArg(sums.size()), term));
    }
    scf::YieldOp::create(e.b, e.loc, sums);
  }
  bool isPartial = columns % (vectors * e.width()) != 0;
  Operand none;
  for (int64_t v = 0, number = 0; v < vectors; ++v)
    for (const Operand &result : results) {
      auto point = at(e.index(0), v);
      e.storeVector(result, point, 2, loop.getResult(number++),
                    isPartial ? e.mask(none, point, 2, columns) : Value());
    }
  return batch * slabs;
}
