// kernel-fuse-epilogues: element-wise code moves into the epilogue of the contraction that makes
// its input, so that bias, activation and their gradients cost no pass over memory.
#include "compiler/Passes.h"
#include "compiler/lower/EpilogueRules.h"
#include "compiler/lower/FusionRecord.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/IR/IRMapping.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELFUSEEPILOGUES
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

Obstacle danaus::obstacleToEpilogue(kernel::ContractOp contract, kernel::RowOp row,
                                    unsigned input) {
  if (!row.getMap(input).isIdentity())
    return Obstacle::ProductInOtherOrder;
  if (!row.getBody().getOps<kernel::RowReduceOp>().empty() ||
      !row.getBody().getOps<kernel::ColumnOp>().empty() ||
      !row.getBody().getOps<kernel::RowIndexOp>().empty())
    return Obstacle::NeedsWholeRows;
  for (unsigned i = 0; i < row.getNumResults(); ++i)
    if (!row.getResultMap(i).isIdentity())
      return Obstacle::ResultOfOtherShape;
  for (Value result : contract.getResults())
    for (Operation *user : result.getUsers())
      if (user != row && user->getBlock() == row->getBlock() && user->isBeforeInBlock(row))
        return Obstacle::NeededBefore;
  return Obstacle::None;
}

namespace {

/// The fused operation at the row's place: products that are used elsewhere stay results.
void fuse(kernel::ContractOp contract, kernel::RowOp row) {
  OpBuilder builder(row);
  SmallVector<Value> extras(contract.getExtras());
  SmallVector<Attribute> maps(contract.getMaps().getValue());
  AffineMap place = contract.getMap(kernel::ContractOp::ResultMap);
  SmallVector<unsigned> keptResults;
  SmallVector<Type> types;
  for (auto [i, result] : llvm::enumerate(contract.getResults()))
    if (llvm::any_of(result.getUsers(), [&](Operation *user) { return user != row; })) {
      keptResults.push_back(i);
      types.push_back(result.getType());
    }
  llvm::append_range(types, row.getResultTypes());

  SmallVector<std::optional<unsigned>> extraOfInput; // position among the extras; none: a product
  for (auto [i, input] : llvm::enumerate(row.getInputs())) {
    extraOfInput.push_back(std::nullopt);
    if (input.getDefiningOp() == contract)
      continue;
    extraOfInput.back() = extras.size();
    extras.push_back(input);
    maps.push_back(AffineMapAttr::get(row.getMap(i).compose(place)));
  }

  auto loc = builder.getFusedLoc({contract.getLoc(), row.getLoc()});
  auto fused = kernel::ContractOp::create(builder, loc, types, contract.getLhs(), contract.getRhs(),
                                          extras, contract.getSizes(), builder.getArrayAttr(maps),
                                          DenseI64ArrayAttr(), IntegerAttr(), IntegerAttr());
  unsigned oldExtras = contract.getExtras().size();
  Block &old = contract.getEpilogue().front();
  SmallVector<Type> argumentTypes(old.getArgumentTypes());
  for (Value extra : ArrayRef(extras).drop_front(oldExtras))
    argumentTypes.push_back(cast<RankedTensorType>(extra.getType()).getElementType());
  Block *block = builder.createBlock(&fused.getEpilogue(), {}, argumentTypes,
                                     SmallVector<Location>(argumentTypes.size(), loc));
  IRMapping mapping;
  mapping.map(old.getArguments(),
              ArrayRef<BlockArgument>(block->getArguments()).take_front(1 + oldExtras));
  for (Operation &op : old.without_terminator())
    builder.clone(op, mapping);
  SmallVector<Value> products = llvm::map_to_vector(
      old.getTerminator()->getOperands(), [&](Value v) { return mapping.lookupOrDefault(v); });

  for (auto [i, input] : llvm::enumerate(row.getInputs()))
    mapping.map(row.getBody().getArgument(i),
                extraOfInput[i] ? Value(block->getArgument(1 + *extraOfInput[i]))
                                : products[cast<OpResult>(input).getResultNumber()]);
  for (Operation &op : row.getBody().front().without_terminator())
    builder.clone(op, mapping);
  SmallVector<Value> yielded;
  for (unsigned i : keptResults)
    yielded.push_back(products[i]);
  for (Value v : row.getBody().front().getTerminator()->getOperands())
    yielded.push_back(mapping.lookupOrDefault(v));
  kernel::YieldOp::create(builder, loc, yielded);

  recordFusion({contract, row}, fused);
  for (auto [i, number] : llvm::enumerate(keptResults))
    contract.getResult(number).replaceAllUsesExcept(fused.getResult(i), row);
  row.replaceAllUsesWith(fused.getResults().drop_front(keptResults.size()));
  row.erase();
  contract.erase();
}

struct FuseEpilogues : danaus::impl::KernelFuseEpiloguesBase<FuseEpilogues> {
  void runOnOperation() override {
    SmallVector<kernel::RowOp> rows(getOperation().getOps<kernel::RowOp>());
    for (kernel::RowOp row : rows) {
      Obstacle obstacle = Obstacle::None;
      for (auto [i, input] : llvm::enumerate(row.getInputs())) {
        auto contract = input.getDefiningOp<kernel::ContractOp>();
        if (!contract)
          continue;
        obstacle = obstacleToEpilogue(contract, row, i);
        if (obstacle == Obstacle::None) {
          fuse(contract, row);
          break;
        }
      }
      if (obstacle != Obstacle::None)
        row.emitRemark() << "no epilogue of the contraction before it: " << describe(obstacle);
    }
  }
};

} // namespace
