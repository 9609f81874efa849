// kernel-pack-operands: a rhs whose columns are not neighbours in memory is copied once per step
// into panels of one register tile's width, zero-padded, so that the inner loop only loads whole
// vectors. Packs of weights stand at the start of the step, all in one stage.
#include "compiler/Passes.h"
#include "compiler/lower/Access.h"
#include "dialects/kernel/Kernel.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELPACKOPERANDS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// The rhs as (batch..., ceil(N / panel), K, panel), in front of the kernel that reads it.
void pack(kernel::ContractOp op, Operation *before, int64_t panel) {
  OpBuilder builder(before);
  auto sizes = op.getSizes();
  unsigned dims = sizes.size(), batch = op.getNumBatch();
  // Only batch dimensions that the rhs depends on get a place in the packed tensor.
  AffineMap map = op.getMap(kernel::ContractOp::RhsMap);
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> source(dims, builder.getAffineConstantExpr(0)), packed;
  for (unsigned i = 0; i < batch; ++i)
    if (map.isFunctionOfDim(i)) {
      source[i] = builder.getAffineDimExpr(shape.size());
      shape.push_back(sizes[i]);
      packed.push_back(builder.getAffineDimExpr(i));
    }
  unsigned first = shape.size();
  auto slab = builder.getAffineDimExpr(first), k = builder.getAffineDimExpr(first + 1),
       lane = builder.getAffineDimExpr(first + 2);
  source[op.getN()] = slab * panel + lane;
  source[op.getK()] = k;
  shape.append({int64_t(llvm::divideCeil(sizes[op.getN()], panel)), sizes[op.getK()], panel});
  auto n = builder.getAffineDimExpr(op.getN());
  packed.append({n.floorDiv(panel), builder.getAffineDimExpr(op.getK()), n % panel});

  auto element = cast<RankedTensorType>(op.getRhs().getType()).getElementType();
  auto copy = kernel::CopyOp::create(builder, op.getLoc(), RankedTensorType::get(shape, element),
                                     op.getRhs(),
                                     AffineMapAttr::get(simplifyAffineMap(
                                         map.replaceDimsAndSymbols(source, {}, shape.size(), 0))));
  SmallVector<Attribute> maps(op.getMaps().getValue());
  maps[kernel::ContractOp::RhsMap] =
      AffineMapAttr::get(AffineMap::get(dims, 0, packed, &*builder.getContext()));
  op.getRhsMutable().assign(copy.getResult());
  op.setMapsAttr(builder.getArrayAttr(maps));
  op.setPanel(panel);
}

struct PackOperands : danaus::impl::KernelPackOperandsBase<PackOperands> {
  using KernelPackOperandsBase::KernelPackOperandsBase;

  void runOnOperation() override {
    SmallVector<kernel::ContractOp> contracts;
    getOperation().walk([&](kernel::ContractOp op) { contracts.push_back(op); });
    for (kernel::ContractOp op : contracts) {
      auto access =
          Access::of(op.getMap(kernel::ContractOp::RhsMap),
                     cast<RankedTensorType>(op.getRhs().getType()).getShape(), op.getSizes());
      if (!op.getTile() || (access && access->along(op.getN()) == Access::Motion::Unit))
        continue;
      Operation *place = op;
      while (place->getParentOp() != getOperation())
        place = place->getParentOp();
      if (isa<BlockArgument>(op.getRhs()))
        place = &getOperation().front().front();
      pack(op, place, (*op.getTile())[1] * vectorWidth);
    }
  }
};

} // namespace
