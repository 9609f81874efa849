// kernel-fuse-rounding: a value is rounded by the row kernel that makes it, not by one of its own.
// (kernel-fuse-epilogues does the same for values that contractions make.)
#include "compiler/Passes.h"
#include "compiler/lower/FusionRecord.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/IR/IRMapping.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELFUSEROUNDING
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// The row kernel that can take in `row`; null where there is none.
kernel::RowOp makerOf(kernel::RowOp row) {
  if (row.getInputs().size() != 1 || row.getNumResults() != 1)
    return {};
  auto maker = row.getInputs()[0].getDefiningOp<kernel::RowOp>();
  if (!maker || maker.getSizes() != row.getSizes() || !row.getMap(0).isIdentity() ||
      !row.getResultMap(0).isIdentity() || !row.getBody().getOps<kernel::RowReduceOp>().empty())
    return {};
  unsigned number = cast<OpResult>(row.getInputs()[0]).getResultNumber();
  return maker.getResultMap(number).isIdentity() ? maker : kernel::RowOp();
}

void fuse(kernel::RowOp maker, kernel::RowOp row) {
  OpBuilder builder(maker);
  unsigned input = cast<OpResult>(row.getInputs()[0]).getResultNumber();
  bool keeps = !row.getInputs()[0].hasOneUse();
  SmallVector<Type> types(maker.getResultTypes());
  SmallVector<Attribute> maps(maker.getMaps().getValue());
  types.push_back(row.getResult(0).getType());
  maps.push_back(AffineMapAttr::get(row.getResultMap(0)));
  if (!keeps) {
    types.erase(types.begin() + input);
    maps.erase(maps.begin() + maker.getInputs().size() + input);
  }
  auto fused = kernel::RowOp::create(builder, builder.getFusedLoc({maker.getLoc(), row.getLoc()}),
                                     types, maker.getInputs(), maker.getSizes(),
                                     builder.getArrayAttr(maps), IntegerAttr());
  recordFusion({maker, row}, fused);
  fused.getBody().takeBody(maker.getBody());
  Operation *yield = fused.getBody().front().getTerminator();
  IRMapping mapping;
  mapping.map(row.getBody().getArgument(0), yield->getOperand(input));
  builder.setInsertionPoint(yield);
  for (Operation &op : row.getBody().front().without_terminator())
    builder.clone(op, mapping);
  SmallVector<Value> yielded(yield->getOperands());
  yielded.push_back(mapping.lookupOrDefault(row.getBody().front().getTerminator()->getOperand(0)));
  if (!keeps)
    yielded.erase(yielded.begin() + input);
  yield->setOperands(yielded);

  row.getResult(0).replaceAllUsesWith(fused.getResults().back());
  row.erase();
  for (unsigned i = 0, next = 0; i < maker.getNumResults(); ++i)
    if (keeps || i != input)
      maker.getResult(i).replaceAllUsesWith(fused.getResult(next++));
  maker.erase();
}

struct FuseRounding : danaus::impl::KernelFuseRoundingBase<FuseRounding> {
  void runOnOperation() override {
    SmallVector<kernel::RowOp> rows(getOperation().getOps<kernel::RowOp>());
    for (kernel::RowOp row : rows)
      if (kernel::RowOp maker = makerOf(row))
        fuse(maker, row);
  }
};

} // namespace
