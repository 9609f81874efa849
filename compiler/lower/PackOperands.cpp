// kernel-pack-operands: a rhs whose columns are not neighbours in memory is copied once per step
// into panels of one register tile's width, zero-padded, so that the inner loop only loads whole
// vectors. Packs of weights stand at the start of the step, all in one stage.
#include "compiler/Passes.h"
#include "compiler/lower/Access.h"
#include "compiler/lower/MatrixUnit.h"
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

/// A packed operand in the making: its shape, where its elements come from in terms of its own
/// dimensions, and where the kernel finds them in terms of the iteration space.
class Packing {
public:
  Packing(kernel::ContractOp op, unsigned map, Operation *before)
      : builder(before), op(op), number(map), map(op.getMap(map)),
        source(op.getSizes().size(), builder.getAffineConstantExpr(0)) {
    // Only batch dimensions that the operand depends on get a place.
    for (unsigned i = 0; i < op.getNumBatch(); ++i)
      if (this->map.isFunctionOfDim(i))
        source[i] = add(op.getSizes()[i], iteration(i));
  }

  AffineExpr iteration(unsigned dim) { return builder.getAffineDimExpr(dim); }
  int64_t group() const { return groupOf(map); }

  /// A dimension of `size`, at `place` of the iteration space; returns it as the copy counts it.
  AffineExpr add(int64_t size, AffineExpr place) {
    shape.push_back(size);
    places.push_back(place);
    return builder.getAffineDimExpr(shape.size() - 1);
  }

  /// Makes the copy and lets the kernel read it. What was only rounded before is rounded on the
  /// way.
  void finish(OpOperand &operand) {
    auto element = cast<RankedTensorType>(operand.get().getType()).getElementType();
    auto from = simplifyAffineMap(map.replaceDimsAndSymbols(source, {}, shape.size(), 0));
    Value input = operand.get();
    auto rounding = kernel::CopyOp::roundingOf(input);
    auto copy =
        kernel::CopyOp::create(builder, op.getLoc(), RankedTensorType::get(shape, element),
                               rounding ? rounding.getInput() : input, AffineMapAttr::get(from),
                               rounding ? rounding.getRoundsAttr() : TypeAttr());
    SmallVector<Attribute> maps(op.getMaps().getValue());
    maps[number] =
        AffineMapAttr::get(AffineMap::get(op.getSizes().size(), 0, places, builder.getContext()));
    operand.set(copy.getResult());
    op.setMapsAttr(builder.getArrayAttr(maps));
  }

  OpBuilder builder;
  kernel::ContractOp op;
  unsigned number;
  AffineMap map;
  SmallVector<AffineExpr> source, places;
  SmallVector<int64_t> shape;
};

/// The rhs in front of the kernel that reads it, as (batch..., ceil(N / panel), K, panel); as
/// (batch..., K, N) where a group of Monarch's would be cut by a panel's end.
void packRhs(kernel::ContractOp op, Operation *before, int64_t panel) {
  Packing packing(op, kernel::ContractOp::RhsMap, before);
  auto sizes = op.getSizes();
  AffineExpr n = packing.iteration(op.getN());
  if (panel % packing.group() != 0) {
    packing.source[op.getK()] = packing.add(sizes[op.getK()], packing.iteration(op.getK()));
    packing.source[op.getN()] = packing.add(sizes[op.getN()], n);
    return packing.finish(op.getRhsMutable());
  }
  AffineExpr slab = packing.add(llvm::divideCeil(sizes[op.getN()], panel), n.floorDiv(panel));
  packing.source[op.getK()] = packing.add(sizes[op.getK()], packing.iteration(op.getK()));
  packing.source[op.getN()] = slab * panel + packing.add(panel, n % panel);
  packing.finish(op.getRhsMutable());
  op.setPanel(panel);
}

/// The lhs in front of the kernel, as (batch..., ceil(M / MR), K, MR * G): the elements that a
/// register tile broadcasts at one k are neighbours.
void packLhs(kernel::ContractOp op, Operation *before) {
  Packing packing(op, kernel::ContractOp::LhsMap, before);
  auto sizes = op.getSizes();
  int64_t rows = (*op.getTile())[0], group = packing.group();
  AffineExpr m = packing.iteration(op.getM()), n = packing.iteration(op.getN());
  AffineExpr panel = packing.add(llvm::divideCeil(sizes[op.getM()], rows), m.floorDiv(rows));
  packing.source[op.getK()] = packing.add(sizes[op.getK()], packing.iteration(op.getK()));
  AffineExpr place = packing.add(rows * group, (m % rows) * group + n % group);
  packing.source[op.getM()] = panel * rows + place.floorDiv(group);
  packing.source[op.getN()] = place;
  packing.finish(op.getLhsMutable());
  op.setLhsPanel(rows * group);
}

struct PackOperands : danaus::impl::KernelPackOperandsBase<PackOperands> {
  using KernelPackOperandsBase::KernelPackOperandsBase;

  void runOnOperation() override {
    SmallVector<kernel::ContractOp> contracts;
    getOperation().walk([&](kernel::ContractOp op) { contracts.push_back(op); });
    for (kernel::ContractOp op : contracts) {
      if (!op.getTile() || op.isBlocked())
        continue;
      Operation *place = op;
      while (place->getParentOp() != getOperation())
        place = place->getParentOp();
      if (op.getMatrixUnit()) {
        packForMatrixUnit(op, place, placeForRhs(op, place));
        continue;
      }
      if (isFarApart(op, kernel::ContractOp::LhsMap, op.getLhs(), op.getM()))
        packLhs(op, place);
      auto rhs = accessOf(op, kernel::ContractOp::RhsMap, op.getRhs());
      if (rhs && rhs->along(op.getN()) == Access::Motion::Unit &&
          !isFarApart(op, kernel::ContractOp::RhsMap, op.getRhs(), op.getN()))
        continue;
      packRhs(op, placeForRhs(op, place), (*op.getTile())[1] * vectorWidth);
    }
  }

private:
  /// Packs of weights stand in front of everything, others before the kernel that reads them.
  Operation *placeForRhs(kernel::ContractOp op, Operation *kernel) {
    if (!isWeight(op.getRhs()))
      return kernel;
    Operation *maker = op.getRhs().getDefiningOp();
    return maker ? maker->getNextNode() : &getOperation().front().front();
  }

  static std::optional<Access> accessOf(kernel::ContractOp op, unsigned map, Value operand) {
    return Access::of(op.getMap(map), cast<RankedTensorType>(operand.getType()).getShape(),
                      op.getSizes());
  }

  /// Whether a long sum steps through the operand in large strides, and every element is used
  /// often: each step is then a cache line and often a page of its own, and falls into few sets of
  /// the first-level cache. So it is for gradients of weights, which sum over rows, and for weights
  /// that a gradient of an input reads by rows. The other operands of a chain are a few rows.
  bool isFarApart(kernel::ContractOp op, unsigned map, Value operand, unsigned side) {
    constexpr int64_t longSum = 128, longSide = 32, farStride = 64, worthwhile = 32 * 1024;
    auto sizes = op.getSizes();
    auto access = accessOf(op, map, operand);
    return access && (isWeight(operand) || !isa<kernel::ChainOp>(op->getParentOp())) &&
           access->along(op.getK()) == Access::Motion::Strided &&
           access->offset.plain(op.getK()) > farStride && access->offset.uses(side) &&
           sizes[op.getK()] >= longSum && sizes[op.getM()] >= longSide &&
           sizes[op.getK()] * std::min(sizes[op.getM()], sizes[op.getN()]) >= worthwhile &&
           sizes[op.getN()] >= longSide;
  }

  /// Whether the value is an argument; what reshapes or rounds it is moved to the front.
  bool isWeight(Value value) {
    Operation *maker = value.getDefiningOp();
    if (!maker)
      return true;
    if ((!isa<nn::ReshapeOp>(maker) && !kernel::CopyOp::roundingOf(value)) ||
        !isWeight(maker->getOperand(0)))
      return false;
    Operation *front = &getOperation().front().front();
    if (Operation *before = maker->getOperand(0).getDefiningOp())
      maker->moveAfter(before);
    else if (front != maker)
      maker->moveBefore(front);
    return true;
  }
};

} // namespace
