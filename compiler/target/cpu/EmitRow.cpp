// kernel.row: one pass over the row per reduction, then one that writes the results. Element-wise
// values are computed again in each pass: rows are short or in cache, and memory is what costs.
#include "compiler/target/cpu/Emitter.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

namespace {

class RowEmitter {
public:
  RowEmitter(Emitter &e, kernel::RowOp op, ViewOf viewOf)
      : e(e), op(op), columns(op.getColumnCount()) {
    for (auto [i, input] : llvm::enumerate(op.getInputs()))
      inputs.push_back(operandOf(input, op.getMap(i), op.getSizes(), 0, viewOf));
    for (auto [i, result] : llvm::enumerate(op.getResults()))
      results.push_back(operandOf(result, op.getResultMap(i), op.getSizes(), 0, viewOf));
  }

  void emitRow(Value row) {
    reduced.clear();
    for (auto reduce : op.getBody().getOps<kernel::RowReduceOp>())
      reduced[reduce.getResult()] = emitReduction(reduce, row);
    emitResults(row);
  }

private:
  int64_t wholeChunks() const { return columns / e.width(); }
  bool hasRest() const { return columns % e.width() != 0; }

  /// The vector of a value for the columns from `column` on.
  Value valueOf(Value value, Value row, Value column, DenseMap<Value, Value> &memo) {
    if (Value known = reduced.lookup(value))
      return known;
    Value &known = memo[value];
    if (known)
      return known;
    if (auto argument = dyn_cast<BlockArgument>(value))
      return memo[value] = e.loadVector(inputs[argument.getArgNumber()], {row, column}, 1);
    Operation *definition = value.getDefiningOp();
    if (isa<kernel::ColumnOp>(definition)) {
      AccessSum self;
      self.add({AccessTerm::Plain, 1, 1, 1});
      return memo[value] = e.evaluateLanes(self, {row, column}, 1);
    }
    if (isa<kernel::RowIndexOp>(definition))
      return memo[value] =
                 e.splat(e.b.createOrFold<arith::IndexCastOp>(e.loc, e.b.getI32Type(), row));
    IRMapping mapping;
    for (Value operand : definition->getOperands())
      mapping.map(operand, valueOf(operand, row, column, memo));
    return memo[value] = e.vectorise(*definition, mapping);
  }

  /// Lanes below the row's end.
  Value restMask(Value row, Value column) {
    Operand none;
    return e.mask(none, {row, column}, 1, columns);
  }

  double neutral(kernel::ReduceKind kind) {
    double infinity = std::numeric_limits<double>::infinity();
    return kind == kernel::ReduceKind::Add   ? 0
           : kind == kernel::ReduceKind::Max ? -infinity
                                             : infinity;
  }

  Value combine(kernel::ReduceKind kind, Value a, Value c) {
    switch (kind) {
    case kernel::ReduceKind::Add:
      return arith::AddFOp::create(e.b, e.loc, a, c);
    case kernel::ReduceKind::Max:
      return arith::MaximumFOp::create(e.b, e.loc, a, c);
    case kernel::ReduceKind::Min:
      return arith::MinimumFOp::create(e.b, e.loc, a, c);
    }
    return {};
  }

  Value emitReduction(kernel::RowReduceOp reduce, Value row) {
    auto kind = reduce.getKind();
    Value start =
        e.splat(arith::ConstantOp::create(e.b, e.loc, e.b.getF32FloatAttr(neutral(kind))));
    Value sum = start;
    if (wholeChunks() > 0) {
      auto loop = scf::ForOp::create(e.b, e.loc, e.index(0), e.index(wholeChunks() * e.width()),
                                     e.index(e.width()), start);
      OpBuilder::InsertionGuard guard(e.b);
      e.b.setInsertionPointToStart(loop.getBody());
      DenseMap<Value, Value> memo;
      Value value = valueOf(reduce.getInput(), row, loop.getInductionVar(), memo);
      scf::YieldOp::create(e.b, e.loc, combine(kind, loop.getRegionIterArg(0), value));
      sum = loop.getResult(0);
    }
    if (hasRest()) {
      DenseMap<Value, Value> memo;
      Value column = e.index(wholeChunks() * e.width());
      Value value = valueOf(reduce.getInput(), row, column, memo);
      value = arith::SelectOp::create(e.b, e.loc, restMask(row, column), value, start);
      sum = combine(kind, sum, value);
    }
    auto how = kind == kernel::ReduceKind::Add   ? vector::CombiningKind::ADD
               : kind == kernel::ReduceKind::Max ? vector::CombiningKind::MAXIMUMF
                                                 : vector::CombiningKind::MINIMUMF;
    // reassoc: a tree over the lanes, the same tree every time.
    auto flags = kind == kernel::ReduceKind::Add ? arith::FastMathFlags::reassoc
                                                 : arith::FastMathFlags::none;
    return e.splat(vector::ReductionOp::create(e.b, e.loc, how, sum, flags));
  }

  void emitResults(Value row) {
    auto yielded = op.getBody().front().getTerminator()->getOperands();
    auto chunk = [&](Value column, bool rest) {
      DenseMap<Value, Value> memo;
      for (auto [result, value] : llvm::zip(results, yielded))
        if (result.access.offset.uses(1))
          e.storeVector(result, {row, column}, 1, valueOf(value, row, column, memo),
                        rest ? restMask(row, column) : Value());
    };
    if (wholeChunks() > 0)
      e.loop(e.index(0), e.index(wholeChunks() * e.width()), e.width(),
             [&](Value column) { chunk(column, false); });
    if (hasRest())
      chunk(e.index(wholeChunks() * e.width()), true);
    DenseMap<Value, Value> memo;
    for (auto [result, value] : llvm::zip(results, yielded))
      if (!result.access.offset.uses(1)) {
        Value scalar = vector::ExtractOp::create(e.b, e.loc, valueOf(value, row, e.index(0), memo),
                                                 ArrayRef<int64_t>{0});
        memref::StoreOp::create(e.b, e.loc, scalar, result.view.memory,
                                e.offsetOf(result, {row, e.index(0)}));
      }
  }

  Emitter &e;
  kernel::RowOp op;
  int64_t columns;
  std::vector<Operand> inputs, results;
  DenseMap<Value, Value> reduced;
};

} // namespace

void danaus::cpu::emitRowRows(Emitter &e, kernel::RowOp op, ViewOf viewOf, const Panel &panel) {
  RowEmitter row(e, op, viewOf);
  e.forRows(panel, 1, [&](Value r, int64_t) { row.emitRow(r); });
}

int64_t danaus::cpu::emitRow(Emitter &e, kernel::RowOp op, ViewOf viewOf, Value call) {
  int64_t perCall = op.getRows().value_or(16);
  emitRowRows(e, op, viewOf, e.panel(call, op.getRowCount(), perCall));
  return Panel::count(op.getRowCount(), perCall);
}
