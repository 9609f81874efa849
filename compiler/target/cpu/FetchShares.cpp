// See FetchShares.h.
#include "compiler/target/cpu/FetchShares.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cpu;

void danaus::cpu::fetchShare(Emitter &e, const Operand &operand, ArrayRef<Value> first,
                             unsigned rowDim, const Share &share) {
  constexpr int64_t mostLines = 64;
  int64_t all = share.rows * share.lines, lines = share.lines;
  int64_t each = llvm::divideCeil(all, share.count);
  if (each > mostLines)
    return;
  each = each > lines ? llvm::alignTo(each, lines) : each;
  while (each < lines && lines % each != 0)
    ++each;
  Value begin = e.mul(share.number, each);
  OpBuilder::InsertionGuard guard(e.b);
  if (each * share.count > all) { // the last shares are empty
    Value inside =
        arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::ult, begin, e.index(all));
    auto branch = scf::IfOp::create(e.b, e.loc, inside, /*withElseRegion=*/false);
    e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  }
  SmallVector<Value> at(first);
  for (int64_t row = 0; row * lines < each; ++row) {
    at[rowDim] = e.add(first[rowDim], e.add(e.div(begin, lines), e.index(row)));
    Value offset = e.add(e.offsetOf(operand, at), e.mul(e.rem(begin, lines), perLine(operand)));
    for (int64_t line = 0; line < std::min(each, lines); ++line)
      e.prefetch(operand.view.memory, e.add(offset, e.index(line * perLine(operand))), false, 2);
  }
}
