// See FormContract.h.
#include "compiler/lower/FormContract.h"

#include "compiler/lower/MatrixUnit.h"

using namespace mlir;
using namespace danaus;

namespace {

/// Row-major strides of a shape.
SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// The distance in memory between neighbours along `dim`, from an affine map of plain sums.
int64_t strideAlong(AffineMap map, ArrayRef<int64_t> shape, unsigned dim) {
  SmallVector<AffineExpr> zero(map.getNumDims(), getAffineConstantExpr(0, map.getContext())),
      one = zero;
  one[dim] = getAffineConstantExpr(1, map.getContext());
  auto strides = stridesOf(shape);
  int64_t distance = 0;
  for (auto [i, expr] : llvm::enumerate(map.getResults())) {
    auto at = [&](ArrayRef<AffineExpr> point) {
      return cast<AffineConstantExpr>(simplifyAffineExpr(expr.replaceDims(point), 0, 0)).getValue();
    };
    distance += strides[i] * (at(one) - at(zero));
  }
  return distance;
}

/// The batch dimension that can be merged with N, neighbours of it being neighbours in memory:
/// stride 1 in the lhs, and n's stride equal to its size in the result or in the rhs.
std::optional<unsigned> groupOf(nn::ContractOp op, ArrayRef<unsigned> batch, ArrayRef<unsigned> n,
                                Value lhs, AffineMap lhsMap, Value rhs, AffineMap rhsMap,
                                AffineMap outMap, int64_t mostBf16Group) {
  if (n.empty())
    return std::nullopt;
  for (unsigned dim : batch) {
    int64_t size = op.getSizes()[dim];
    auto interleaves = [&](AffineMap map, Value value) {
      return strideAlong(map, nn::shapeOf(value), dim) == 1 &&
             strideAlong(map, nn::shapeOf(value), n[0]) == size;
    };
    bool isPacked =
        cast<RankedTensorType>(rhs.getType()).getElementType().isBF16() && size > mostBf16Group;
    if (size > 1 && llvm::isPowerOf2_64(size) && strideAlong(lhsMap, nn::shapeOf(lhs), dim) == 1 &&
        (interleaves(outMap, op.getResult()) || (interleaves(rhsMap, rhs) && !isPacked)))
      return dim;
  }
  return std::nullopt;
}

/// How far the merged dimension goes before the result ends (outputs that are only padding are
/// not computed).
int64_t groupedExtent(nn::ContractOp op, AffineMap outMap, unsigned group, unsigned n) {
  for (auto [i, expr] : llvm::enumerate(outMap.getResults()))
    if (expr.isFunctionOfDim(group) && expr.isFunctionOfDim(n))
      return nn::shapeOf(op.getResult())[i];
  return std::numeric_limits<int64_t>::max();
}

} // namespace

FailureOr<kernel::ContractOp> danaus::formContract(OpBuilder &builder, nn::ContractOp op,
                                                   int64_t mostBf16Group) {
  Value lhs = op.getLhs(), rhs = op.getRhs();
  AffineMap lhsMap = op.getMap(0), rhsMap = op.getMap(1), outMap = op.getMap(2);
  SmallVector<unsigned> batch, lhsOnly, rhsOnly, summed;
  for (unsigned dim = 0; dim < op.getSizes().size(); ++dim) {
    bool l = lhsMap.isFunctionOfDim(dim), r = rhsMap.isFunctionOfDim(dim),
         o = outMap.isFunctionOfDim(dim);
    (l && r ? (o ? batch : summed) : l ? lhsOnly : rhsOnly).push_back(dim);
  }
  if (summed.size() > 1)
    return op.emitOpError() << "sums over " << summed.size()
                            << " dimensions; kernels sum over one: reshape the operands";
  auto outStride = [&](unsigned dim) {
    return strideAlong(outMap, nn::shapeOf(op.getResult()), dim);
  };
  auto nearest =
      [&](SmallVector<unsigned> &dims) { // the dimension nearest to contiguous; the rest are batch
        llvm::sort(dims, [&](unsigned a, unsigned b) { return outStride(a) > outStride(b); });
        while (dims.size() > 1) {
          batch.push_back(dims.front());
          dims.erase(dims.begin());
        }
      };
  nearest(lhsOnly);
  nearest(rhsOnly);
  if (!lhsOnly.empty() && (rhsOnly.empty() || outStride(lhsOnly[0]) < outStride(rhsOnly[0]))) {
    std::swap(lhs, rhs);
    std::swap(lhsMap, rhsMap);
    std::swap(lhsOnly, rhsOnly);
  }

  // New dimensions: what each old one is in terms of the new.
  int64_t samples = summed.empty() ? 1 : op.getSizes()[summed[0]];
  std::optional<unsigned> grouped = groupOf(op, batch, rhsOnly, lhs, lhsMap, rhs, rhsMap, outMap,
                                            samples < FewestSamples ? 1 : mostBf16Group);
  SmallVector<AffineExpr> old(op.getSizes().size());
  SmallVector<int64_t> sizes;
  auto append = [&](unsigned dim) {
    old[dim] = builder.getAffineDimExpr(sizes.size());
    sizes.push_back(op.getSizes()[dim]);
  };
  for (unsigned dim : batch)
    if (dim != grouped)
      append(dim);
  auto appendOr1 = [&](ArrayRef<unsigned> dims) {
    dims.empty() ? sizes.push_back(1) : append(dims[0]);
  };
  appendOr1(lhsOnly);
  appendOr1(rhsOnly);
  if (grouped) {
    int64_t group = op.getSizes()[*grouped];
    AffineExpr n = old[rhsOnly[0]];
    old[*grouped] = n % group;
    old[rhsOnly[0]] = n.floorDiv(group);
    sizes.back() = std::min(sizes.back() * group, groupedExtent(op, outMap, *grouped, rhsOnly[0]));
  }
  appendOr1(summed);
  auto renamed = [&](AffineMap map) { return map.replaceDimsAndSymbols(old, {}, sizes.size(), 0); };
  // The lhs keeps its mod: simplified, `4k + n mod 4` becomes `4k + n - 4 (n floordiv 4)`.
  auto contract = kernel::ContractOp::create(
      builder, op.getLoc(), TypeRange(op.getType()), lhs, rhs, ValueRange(), sizes,
      builder.getAffineMapArrayAttr({renamed(lhsMap), simplifyAffineMap(renamed(rhsMap)),
                                     simplifyAffineMap(renamed(outMap))}),
      DenseI64ArrayAttr(), IntegerAttr(), IntegerAttr());
  OpBuilder::InsertionGuard guard(builder);
  Block *block =
      builder.createBlock(&contract.getEpilogue(), {}, {builder.getF32Type()}, {op.getLoc()});
  kernel::YieldOp::create(builder, op.getLoc(), block->getArguments());
  return contract;
}
