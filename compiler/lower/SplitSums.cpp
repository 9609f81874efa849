// kernel-split-sums: long sums that would keep few multiprocessors of a GPU busy become partial
// sums of many blocks and a second, short sum. The split is fixed by the shapes, so that results do
// not depend on the order in which blocks run.
#include "compiler/Passes.h"
#include "compiler/lower/BlockCost.h"
#include "dialects/nn/NN.h"

#include "mlir/IR/IRMapping.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELSPLITSUMS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// Most parts of a sum, and how long a part of rows is at least: shorter ones cost more to add up
/// than they save.
constexpr int64_t MostParts = 256, ShortestRows = 256;

/// The number of parts, a divisor of `length`, that comes nearest to `wanted` from below. Parts of
/// whole steps of 32 are preferred.
int64_t partsOf(int64_t length, int64_t wanted) {
  int64_t best = 1, bestWhole = 1;
  for (int64_t parts = 2; parts <= std::min(wanted, length); ++parts) {
    if (length % parts != 0)
      continue;
    best = parts;
    if (length / parts % 32 == 0)
      bestWhole = parts;
  }
  return bestWhole * 2 > best ? bestWhole : best;
}

class Splitter {
public:
  Splitter(func::FuncOp function, const GpuShape &gpu) : builder(function.getContext()), gpu(gpu) {}

  /// Sums over K whose results go as they are: gradients of weights.
  void split(kernel::ContractOp op) {
    Operation *yield = op.getEpilogue().front().getTerminator();
    bool isPlain = op.getExtras().empty() && op.getResults().size() == 1 &&
                   yield->getOperand(0) == op.getEpilogue().getArgument(0);
    if (!isPlain)
      return;
    kernel::ContractOp best;
    double least = planBlocks(op, gpu).cycles;
    for (int64_t wanted = 2, last = 1; wanted <= MostParts; wanted *= 2) {
      int64_t parts = partsOf(op.getSizes().back(), wanted);
      if (parts == std::exchange(last, parts))
        continue;
      kernel::ContractOp candidate = inParts(op, parts);
      double cycles = planBlocks(candidate, gpu).cycles + cyclesOfSum(candidate.getResult(0));
      kernel::ContractOp worse = cycles < least ? std::exchange(best, candidate) : candidate;
      least = std::min(least, cycles);
      if (worse)
        worse.erase();
    }
    if (!best)
      return;
    builder.setInsertionPointAfter(best);
    op.getResult(0).replaceAllUsesWith(
        sumOf(op.getLoc(), best.getResult(0), op.getResult(0).getType()));
    op.erase();
  }

  void split(kernel::ReduceOp op) {
    ArrayRef<int64_t> sizes = op.getSizes();
    int64_t blocks = sizes[0] * llvm::divideCeil(sizes[2], 32);
    int64_t wanted = std::min(4 * gpu.multiprocessors / blocks, sizes[1] / ShortestRows);
    int64_t parts = partsOf(sizes[1], wanted);
    if (parts == 1 || sizes[0] != 1)
      return;
    builder.setInsertionPoint(op);
    int64_t rows = sizes[1] / parts;
    AffineExpr part = builder.getAffineDimExpr(0);
    SmallVector<AffineExpr> old{builder.getAffineConstantExpr(0),
                                part * rows + builder.getAffineDimExpr(1),
                                builder.getAffineDimExpr(2)};
    SmallVector<AffineMap> maps;
    SmallVector<Type> types;
    for (unsigned i = 0; i < op.getMaps().size(); ++i) {
      AffineMap map = simplifyAffineMap(op.getMap(i).replaceDimsAndSymbols(old, {}, 3, 0));
      maps.push_back(i < op.getInputs().size() ? map : map.insertResult(part, 0));
    }
    for (Value result : op.getResults())
      types.push_back(withParts(result, parts));
    auto partial = kernel::ReduceOp::create(builder, op.getLoc(), types, op.getInputs(),
                                            ArrayRef<int64_t>{parts, rows, sizes[2]},
                                            builder.getAffineMapArrayAttr(maps));
    partial->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    partial.getBody().takeBody(op.getBody());
    for (auto [result, value] : llvm::zip(op.getResults(), partial.getResults()))
      result.replaceAllUsesWith(sumOf(op.getLoc(), value, result.getType()));
    op.erase();
  }

private:
  /// `op` with the part as a new first dimension of its result; k counts inside it.
  kernel::ContractOp inParts(kernel::ContractOp op, int64_t parts) {
    builder.setInsertionPoint(op);
    SmallVector<int64_t> sizes{parts};
    llvm::append_range(sizes, op.getSizes());
    sizes.back() /= parts;
    unsigned rank = sizes.size();
    SmallVector<AffineExpr> old;
    for (unsigned i = 1; i < rank; ++i)
      old.push_back(builder.getAffineDimExpr(i));
    AffineExpr part = builder.getAffineDimExpr(0);
    old.back() = old.back() + part * sizes.back();
    auto renamed = [&](unsigned i) { return op.getMap(i).replaceDimsAndSymbols(old, {}, rank, 0); };
    // The lhs keeps its mod, see FormContract.cpp.
    SmallVector<AffineMap> maps{
        renamed(kernel::ContractOp::LhsMap), simplifyAffineMap(renamed(kernel::ContractOp::RhsMap)),
        simplifyAffineMap(renamed(kernel::ContractOp::ResultMap)).insertResult(part, 0)};
    auto partial = kernel::ContractOp::create(
        builder, op.getLoc(), TypeRange(withParts(op.getResult(0), parts)), op.getLhs(),
        op.getRhs(), ValueRange(), sizes, builder.getAffineMapArrayAttr(maps), DenseI64ArrayAttr(),
        IntegerAttr(), IntegerAttr());
    partial->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    IRMapping same;
    op.getEpilogue().cloneInto(&partial.getEpilogue(), same);
    return partial;
  }

  RankedTensorType withParts(Value value, int64_t parts) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape{parts};
    llvm::append_range(shape, type.getShape());
    return RankedTensorType::get(shape, type.getElementType());
  }

  /// The sum over the first dimension.
  Value sumOf(Location loc, Value partial, Type result) {
    auto type = cast<RankedTensorType>(result);
    int64_t parts = cast<RankedTensorType>(partial.getType()).getDimSize(0);
    int64_t elements = type.getNumElements();
    auto reshaped = [&](Value value, Type to) -> Value {
      return value.getType() == to ? value
                                   : nn::ReshapeOp::create(builder, loc, to, value).getResult();
    };
    Value flat = reshaped(partial, RankedTensorType::get({parts, elements}, type.getElementType()));
    AffineExpr row = builder.getAffineDimExpr(1), column = builder.getAffineDimExpr(2);
    AffineMap maps[] = {AffineMap::get(3, 0, {row, column}, builder.getContext()),
                        AffineMap::get(3, 0, column)};
    auto sum = kernel::ReduceOp::create(
        builder, loc, TypeRange(RankedTensorType::get({elements}, type.getElementType())), flat,
        ArrayRef<int64_t>{1, parts, elements}, builder.getAffineMapArrayAttr(maps));
    OpBuilder::InsertionGuard guard(builder);
    Block *block = builder.createBlock(&sum.getBody(), {}, {type.getElementType()}, {loc});
    kernel::YieldOp::create(builder, loc, block->getArguments());
    builder.setInsertionPointAfter(sum);
    return reshaped(sum.getResult(0), type);
  }

  OpBuilder builder;
  GpuShape gpu;
};

struct SplitSums : danaus::impl::KernelSplitSumsBase<SplitSums> {
  using KernelSplitSumsBase::KernelSplitSumsBase;

  void runOnOperation() override {
    Splitter splitter(getOperation(), {multiprocessors, int64_t(sharedBytes)});
    Block &block = getOperation().front();
    for (auto op : llvm::to_vector(block.getOps<kernel::ContractOp>()))
      splitter.split(op);
    for (auto op : llvm::to_vector(block.getOps<kernel::ReduceOp>()))
      splitter.split(op);
  }
};

} // namespace
