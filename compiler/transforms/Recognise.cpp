// nn-recognise: chains of primitives become linears where they are provably the same function.
#include "compiler/transforms/Recognise.h"
#include "compiler/Passes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace danaus {
#define GEN_PASS_DEF_NNRECOGNISE
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

bool recognise::Weights::contains(Value value) {
  auto [entry, isNew] = known.try_emplace(value, false);
  if (!isNew)
    return entry->second;
  bool isWeight = false;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto role = function
                    ? function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::RoleAttr)
                    : StringAttr();
    isWeight = role && role.getValue() == "parameter";
  } else {
    Operation *op = value.getDefiningOp();
    isWeight = op->getNumOperands() > 0 &&
               llvm::all_of(op->getOperands(), [&](Value operand) { return contains(operand); });
  }
  return known[value] = isWeight;
}

Value recognise::transposed(OpBuilder &builder, Value value) {
  SmallVector<int64_t> shape(nn::shapeOf(value));
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, shape.size()));
  std::swap(permutation.end()[-1], permutation.end()[-2]);
  std::swap(shape.end()[-1], shape.end()[-2]);
  if (auto transpose = value.getDefiningOp<nn::TransposeOp>())
    if (transpose.getPermutation() == ArrayRef<int64_t>(permutation))
      return transpose.getInput();
  return nn::TransposeOp::create(builder, value.getLoc(), nn::tensorOf(builder.getContext(), shape),
                                 value, permutation);
}

void recognise::Refusals::emitRemarks(func::FuncOp function) const {
  DenseSet<Operation *> present;
  function.walk([&](nn::BatchMatmulOp product) { present.insert(product); });
  for (const auto &[product, why] : reasons)
    if (present.contains(product))
      product->emitRemark(why);
}

namespace {

/// What the rewrites left without a user.
void eraseUnused(func::FuncOp function) {
  for (Block &block : function.getBody())
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isOpTriviallyDead(&op))
        op.erase();
}

struct Recognise : danaus::impl::NNRecogniseBase<Recognise> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    recognise::Weights weights;
    recognise::Refusals refusals;
    recognise::recogniseMonarch(function, weights, refusals);
    eraseUnused(function); // else the products of a Monarch linear would look for another owner
    recognise::recogniseBlockDiagonals(function, weights, refusals);
    eraseUnused(function);
    refusals.emitRemarks(function);
    recognise::recogniseLinears(function, weights);
    recognise::absorbBiases(function);
    recognise::recogniseLowRank(function);
    eraseUnused(function);
  }
};

} // namespace
