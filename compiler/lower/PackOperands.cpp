// kernel-pack-operands: a rhs whose columns are not neighbours in memory is copied once per step
// into panels of one register tile's width, zero-padded, so that the inner loop only loads whole
// vectors. Packs of weights stand at the start of the step, all in one stage.
#include "compiler/Passes.h"
#include "compiler/lower/Access.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELPACKOPERANDS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// The largest group (n mod G) in a map; 1 where there is none.
int64_t groupOf(AffineMap map) {
  int64_t group = 1;
  map.walkExprs([&](AffineExpr expr) {
    if (expr.getKind() == AffineExprKind::Mod)
      if (auto size = dyn_cast<AffineConstantExpr>(cast<AffineBinaryOpExpr>(expr).getRHS()))
        group = std::max(group, size.getValue());
  });
  return group;
}

/// The rhs in front of the kernel that reads it, as (batch..., ceil(N / panel), K, panel); as
/// (batch..., K, N) where a group of Monarch's would be cut by a panel's end.
void pack(kernel::ContractOp op, Operation *before, int64_t panel) {
  OpBuilder builder(before);
  auto sizes = op.getSizes();
  unsigned dims = sizes.size(), batch = op.getNumBatch();
  // Only batch dimensions that the rhs depends on get a place in the packed tensor.
  AffineMap map = op.getMap(kernel::ContractOp::RhsMap);
  bool panels = panel % groupOf(map) == 0;
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> source(dims, builder.getAffineConstantExpr(0)), packed;
  for (unsigned i = 0; i < batch; ++i)
    if (map.isFunctionOfDim(i)) {
      source[i] = builder.getAffineDimExpr(shape.size());
      shape.push_back(sizes[i]);
      packed.push_back(builder.getAffineDimExpr(i));
    }
  auto next = [&] { return builder.getAffineDimExpr(shape.size()); };
  auto n = builder.getAffineDimExpr(op.getN()), k = builder.getAffineDimExpr(op.getK());
  AffineExpr first = builder.getAffineConstantExpr(0);
  if (panels) {
    first = next() * panel;
    shape.push_back(llvm::divideCeil(sizes[op.getN()], panel));
    packed.push_back(n.floorDiv(panel));
  }
  source[op.getK()] = next();
  shape.push_back(sizes[op.getK()]);
  packed.push_back(k);
  source[op.getN()] = first + next();
  shape.push_back(panels ? panel : sizes[op.getN()]);
  packed.push_back(panels ? n % panel : n);

  auto element = cast<RankedTensorType>(op.getRhs().getType()).getElementType();
  auto copy = kernel::CopyOp::create(builder, op.getLoc(), RankedTensorType::get(shape, element),
                                     op.getRhs(),
                                     AffineMapAttr::get(simplifyAffineMap(
                                         map.replaceDimsAndSymbols(source, {}, shape.size(), 0))));
  SmallVector<Attribute> maps(op.getMaps().getValue());
  maps[kernel::ContractOp::RhsMap] =
      AffineMapAttr::get(AffineMap::get(dims, 0, packed, builder.getContext()));
  op.getRhsMutable().assign(copy.getResult());
  op.setMapsAttr(builder.getArrayAttr(maps));
  if (panels)
    op.setPanel(panel);
}

/// The lhs in front of the kernel, as (batch..., ceil(M / MR), K, MR * G): the elements that a
/// register tile broadcasts at one k are neighbours.
void packLhs(kernel::ContractOp op, Operation *before) {
  OpBuilder builder(before);
  auto sizes = op.getSizes();
  unsigned dims = sizes.size(), batch = op.getNumBatch();
  AffineMap map = op.getMap(kernel::ContractOp::LhsMap);
  int64_t rows = (*op.getTile())[0], group = groupOf(map);
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> source(dims, builder.getAffineConstantExpr(0)), packed;
  for (unsigned i = 0; i < batch; ++i)
    if (map.isFunctionOfDim(i)) {
      source[i] = builder.getAffineDimExpr(shape.size());
      shape.push_back(sizes[i]);
      packed.push_back(builder.getAffineDimExpr(i));
    }
  auto m = builder.getAffineDimExpr(op.getM()), n = builder.getAffineDimExpr(op.getN()),
       k = builder.getAffineDimExpr(op.getK());
  auto next = [&] { return builder.getAffineDimExpr(shape.size()); };
  AffineExpr panel = next();
  shape.push_back(llvm::divideCeil(sizes[op.getM()], rows));
  source[op.getK()] = next();
  shape.push_back(sizes[op.getK()]);
  AffineExpr place = next();
  shape.push_back(rows * group);
  source[op.getM()] = panel * rows + place.floorDiv(group);
  source[op.getN()] = place;
  packed.append({m.floorDiv(rows), k, (m % rows) * group + n % group});

  auto element = cast<RankedTensorType>(op.getLhs().getType()).getElementType();
  auto copy = kernel::CopyOp::create(
      builder, op.getLoc(), RankedTensorType::get(shape, element), op.getLhs(),
      AffineMapAttr::get(map.replaceDimsAndSymbols(source, {}, shape.size(), 0)));
  SmallVector<Attribute> maps(op.getMaps().getValue());
  maps[kernel::ContractOp::LhsMap] =
      AffineMapAttr::get(AffineMap::get(dims, 0, packed, builder.getContext()));
  op.getLhsMutable().assign(copy.getResult());
  op.setMapsAttr(builder.getArrayAttr(maps));
  op.setLhsPanel(rows * group);
}

struct PackOperands : danaus::impl::KernelPackOperandsBase<PackOperands> {
  using KernelPackOperandsBase::KernelPackOperandsBase;

  void runOnOperation() override {
    SmallVector<kernel::ContractOp> contracts;
    getOperation().walk([&](kernel::ContractOp op) { contracts.push_back(op); });
    for (kernel::ContractOp op : contracts) {
      if (!op.getTile())
        continue;
      Operation *place = op;
      while (place->getParentOp() != getOperation())
        place = place->getParentOp();
      if (isFarApart(op, kernel::ContractOp::LhsMap, op.getLhs(), op.getM()))
        packLhs(op, place);
      auto rhs = accessOf(op, kernel::ContractOp::RhsMap, op.getRhs());
      if (rhs && rhs->along(op.getN()) == Access::Motion::Unit &&
          !isFarApart(op, kernel::ContractOp::RhsMap, op.getRhs(), op.getN()))
        continue;
      if (isWeight(op.getRhs())) {
        Operation *reshape = op.getRhs().getDefiningOp();
        place = reshape ? reshape->getNextNode() : &getOperation().front().front();
      }
      pack(op, place, (*op.getTile())[1] * vectorWidth);
    }
  }

private:
  static std::optional<Access> accessOf(kernel::ContractOp op, unsigned map, Value operand) {
    return Access::of(op.getMap(map), cast<RankedTensorType>(operand.getType()).getShape(),
                      op.getSizes());
  }

  /// Whether a long sum steps through the operand in large strides, and every element is used
  /// often: each step is then a cache line and often a page of its own, and falls into few sets of
  /// the first-level cache. So it is for gradients of weights, which sum over rows. A chain's
  /// operands are a few rows.
  static bool isFarApart(kernel::ContractOp op, unsigned map, Value operand, unsigned side) {
    constexpr int64_t longSum = 128, longSide = 32, farStride = 64;
    auto sizes = op.getSizes();
    auto access = accessOf(op, map, operand);
    return access && !isa<kernel::ChainOp>(op->getParentOp()) &&
           access->along(op.getK()) == Access::Motion::Strided &&
           access->offset.plain(op.getK()) > farStride && access->offset.uses(side) &&
           sizes[op.getK()] >= longSum && sizes[op.getM()] >= longSide &&
           sizes[op.getN()] >= longSide;
  }

  /// Whether the value is an argument; reshapes of it are moved to the front.
  bool isWeight(Value value) {
    auto reshape = value.getDefiningOp<nn::ReshapeOp>();
    if (!reshape)
      return isa<BlockArgument>(value);
    if (!isWeight(reshape.getInput()))
      return false;
    Operation *front = &getOperation().front().front();
    if (Operation *before = reshape.getInput().getDefiningOp())
      reshape->moveAfter(before);
    else if (front != reshape)
      reshape->moveBefore(front);
    return true;
  }
};

} // namespace
