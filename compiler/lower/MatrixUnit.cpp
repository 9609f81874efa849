// See MatrixUnit.h.
#include "compiler/lower/MatrixUnit.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace danaus;

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// An operand's map over (batch..., c, k), with only the batch dimensions that it depends on.
struct PackMap {
  AffineMap map;
  SmallVector<int64_t> sizes;
  SmallVector<unsigned> batch; ///< of the contraction
};

PackMap packMapOf(kernel::ContractOp op, unsigned number, unsigned columns) {
  AffineMap map = op.getMap(number);
  MLIRContext *context = op.getContext();
  SmallVector<AffineExpr> places(op.getSizes().size(), getAffineConstantExpr(0, context));
  PackMap result;
  auto add = [&](unsigned dim) {
    places[dim] = getAffineDimExpr(result.sizes.size(), context);
    result.sizes.push_back(op.getSizes()[dim]);
  };
  for (unsigned i = 0; i < op.getNumBatch(); ++i)
    if (map.isFunctionOfDim(i)) {
      result.batch.push_back(i);
      add(i);
    }
  add(columns);
  add(op.getK());
  result.map = map.replaceDimsAndSymbols(places, {}, result.sizes.size(), 0);
  return result;
}

/// The copy itself, from the rounded value or from what was rounded.
Value pack(OpBuilder &builder, kernel::ContractOp op, Value input, const PackMap &from,
           kernel::PackForm form, int64_t group) {
  int64_t terms = typeOf(input).getElementType().isF32() ? SplitTerms : 1;
  auto shape = kernel::PackOp::shapeOf(form, from.sizes, group, terms);
  auto type = RankedTensorType::get(shape, builder.getBF16Type());
  if (auto rounding = kernel::CopyOp::roundingOf(input))
    input = rounding.getInput();
  return kernel::PackOp::create(builder, op.getLoc(), type, input, form, from.sizes, group,
                                terms == 1 ? IntegerAttr() : builder.getI64IntegerAttr(terms),
                                from.map);
}

bool canPack(kernel::ContractOp op, unsigned number, unsigned columns, Value operand,
             int64_t group) {
  PackMap from = packMapOf(op, number, columns);
  return packAccess(from.map, typeOf(operand).getShape(), from.sizes, group).has_value();
}

/// Cycles of a core for a contraction, roughly: on the matrix unit in six products, and with
/// fused multiply-adds. Tiles are computed whole; the lhs is split tile by tile, once for all
/// columns; three of four cycles are spent on products. With few samples splitting the weights
/// costs what it gains (mnist_mlp: with 128 of them 14 % slower, with 256 13 % faster).
bool sixProductsPay(kernel::ContractOp op, int64_t samples) {
  if (samples < FewestSamples)
    return false;
  constexpr double tileProduct = SplitProducts * 16, tileSplit = 150, useful = 0.7,
                   fusedUseful = 0.8;
  int64_t group = op.getGroup();
  auto sizes = op.getSizes();
  double rows = llvm::divideCeil(sizes[op.getM()], MatrixTile);
  double columns = llvm::divideCeil(sizes[op.getN()], MatrixTile * group) * group;
  double depths = llvm::divideCeil(sizes[op.getK()], MatrixDepth);
  double split = rows * depths * (columns * tileProduct + group * tileSplit) / useful;
  double fused = double(sizes[op.getM()]) * double(sizes[op.getN()]) * double(sizes[op.getK()]) /
                 (32 * fusedUseful);
  return split < 0.9 * fused;
}

/// Whether both operands lie in rows of K that a call can take apart: gradients of weights.
bool liesInColumns(kernel::ContractOp op, const Access &lhs) {
  // Code is written out for each member, and float32 turns each by itself.
  const int64_t mostGroup = termCountOf(op) == 1 ? MatrixTile : 4;
  auto rhs = Access::of(op.getMap(kernel::ContractOp::RhsMap), typeOf(op.getRhs()).getShape(),
                        op.getSizes());
  int64_t group = op.getGroup();
  if (!rhs || !rhs->guards.empty() || rhs->along(op.getN()) != Access::Motion::Unit ||
      rhs->along(op.getK()) != Access::Motion::Strided ||
      lhs.along(op.getK()) != Access::Motion::Strided || group > mostGroup)
    return false;
  return lhs.offset.uses(op.getM()) && (group == 1 || lhs.offset.uses(op.getN())) &&
         llvm::all_of(lhs.offset.terms, [&](const AccessTerm &term) {
           if (term.dim == op.getM())
             return term.kind == AccessTerm::Plain && term.coefficient == group;
           return term.dim != op.getN() || (term.kind == AccessTerm::Mod && term.coefficient == 1);
         });
}

} // namespace

std::optional<Access> danaus::packAccess(AffineMap map, ArrayRef<int64_t> shape,
                                         ArrayRef<int64_t> sizes, int64_t group) {
  auto plain = Access::of(map, shape, sizes);
  if (!plain || !plain->guards.empty())
    return std::nullopt;
  MLIRContext *context = map.getContext();
  unsigned columns = sizes.size() - 2;
  auto d = getAffineDimExpr(columns, context), g = getAffineDimExpr(columns + 1, context),
       lane = getAffineDimExpr(columns + 2, context), k = getAffineDimExpr(columns + 3, context);
  AffineExpr c = getAffineDimExpr(columns, context), block = d * MatrixTile + lane;
  SmallVector<AffineExpr> results;
  SmallVector<AffineExpr> dims;
  for (unsigned i = 0; i < columns; ++i)
    dims.push_back(getAffineDimExpr(i, context));
  dims.append({block * group + g, k});
  for (AffineExpr expr : map.getResults()) {
    // The parts of a group are known exactly; what is left of c is plain.
    DenseMap<AffineExpr, AffineExpr> parts;
    if (group > 1) {
      auto marker = [&](unsigned i) { return getAffineSymbolExpr(i, context); };
      parts[c % group] = marker(0);
      parts[c.floorDiv(group)] = marker(1);
      expr = expr.replace(parts);
      expr = expr.replaceDimsAndSymbols(dims, {g, block});
    } else {
      expr = expr.replaceDims(dims);
    }
    results.push_back(expr);
  }
  SmallVector<int64_t> newSizes(sizes.drop_back(2));
  newSizes.append({int64_t(llvm::divideCeil(sizes[columns], MatrixTile * group)), group, MatrixTile,
                   sizes.back()});
  auto access = Access::of(AffineMap::get(newSizes.size(), 0, results, context), shape, newSizes);
  if (!access)
    return std::nullopt;
  for (unsigned dim = columns; dim < newSizes.size(); ++dim)
    if (access->along(dim) == Access::Motion::Irregular)
      return std::nullopt;
  int64_t lanes = access->offset.plain(columns + 2), depth = access->offset.plain(columns + 3);
  bool lanesLoad = lanes >= 1 && lanes <= 16 && llvm::isPowerOf2_64(lanes);
  if (depth != 1 && !lanesLoad)
    return std::nullopt;
  return access;
}

std::optional<MatrixLhs> danaus::matrixLhsOf(kernel::ContractOp op) {
  Type element = typeOf(op.getLhs()).getElementType();
  bool splits = element.isF32();
  if (element != typeOf(op.getRhs()).getElementType() || !(splits || element.isBF16()))
    return std::nullopt;
  auto lhs = Access::of(op.getMap(kernel::ContractOp::LhsMap), typeOf(op.getLhs()).getShape(),
                        op.getSizes());
  int64_t group = op.getGroup();
  if (!lhs || !lhs->guards.empty() || group > MatrixTile)
    return std::nullopt;
  bool inChain = isa<kernel::ChainOp>(op->getParentOp());
  bool paysInColumns = splits || op.getSizes()[op.getK()] >= FewestSamples;
  bool inColumns = !inChain && paysInColumns && liesInColumns(op, *lhs);
  if (splits && !sixProductsPay(op, op.getSizes()[inColumns ? op.getK() : op.getM()]))
    return std::nullopt;
  if (inColumns && resultsLieByMember(op))
    return MatrixLhs::Columns;
  auto result = Access::of(op.getMap(kernel::ContractOp::ResultMap),
                           typeOf(op.getResult(0)).getShape(), op.getSizes());
  if (!result || result->along(op.getN()) != Access::Motion::Unit)
    return std::nullopt;
  if (lhs->along(op.getM()) == Access::Motion::Irregular)
    return std::nullopt;
  if (inColumns)
    return MatrixLhs::Columns;
  if (!canPack(op, kernel::ContractOp::RhsMap, op.getN(), op.getRhs(), group))
    return std::nullopt;
  if (group > 1) {
    bool isGrouped =
        lhs->offset.plain(op.getK()) == group &&
        llvm::all_of(lhs->offset.terms, [&](const AccessTerm &term) {
          return term.dim != op.getN() || (term.kind == AccessTerm::Mod && term.coefficient == 1);
        });
    return isGrouped ? std::optional(MatrixLhs::Grouped) : std::nullopt;
  }
  if (lhs->along(op.getK()) == Access::Motion::Unit)
    return MatrixLhs::Contiguous;
  if (!splits && !inChain && canPack(op, kernel::ContractOp::LhsMap, op.getM(), op.getLhs(), 1))
    return MatrixLhs::Packed;
  return std::nullopt;
}

bool danaus::resultsLieByMember(kernel::ContractOp op) {
  auto result = Access::of(op.getMap(kernel::ContractOp::ResultMap),
                           typeOf(op.getResult(0)).getShape(), op.getSizes());
  if (!result || op.getGroup() == 1 || !op.getExtras().empty() || op.getNumResults() != 1 ||
      !result->guards.empty() || op.getSizes()[op.getN()] % op.getGroup() != 0)
    return false;
  bool hasPlace = false;
  for (const AccessTerm &term : result->offset.terms) {
    if (term.dim != op.getN())
      continue;
    if (term.kind == AccessTerm::Plain || term.group != op.getGroup() ||
        (term.kind == AccessTerm::Div && term.coefficient != 1))
      return false;
    hasPlace |= term.kind == AccessTerm::Div;
  }
  return hasPlace;
}

bool danaus::isSplit(kernel::ContractOp op) { return op.getMatrixUnit() && termCountOf(op) > 1; }

int64_t danaus::termCountOf(kernel::ContractOp op) {
  return typeOf(op.getLhs()).getElementType().isF32() ? SplitTerms : 1;
}

bool danaus::stagesOperands(kernel::ContractOp op) {
  return isSplit(op) || (op.getMatrixUnit() && op.isBlocked());
}

void danaus::packForMatrixUnit(kernel::ContractOp op, Operation *lhsPlace, Operation *rhsPlace) {
  MatrixLhs form = *matrixLhsOf(op);
  int64_t group = op.getGroup();
  SmallVector<Attribute> maps(op.getMaps().getValue());
  auto dim = [&](unsigned i) { return getAffineDimExpr(i, op.getContext()); };
  auto setMap = [&](unsigned number, const PackMap &from, ArrayRef<AffineExpr> rest) {
    SmallVector<AffineExpr> exprs;
    for (unsigned i : from.batch)
      exprs.push_back(dim(i));
    llvm::append_range(exprs, rest);
    maps[number] =
        AffineMapAttr::get(AffineMap::get(op.getSizes().size(), 0, exprs, op.getContext()));
  };
  AffineExpr n = dim(op.getN()), k = dim(op.getK());
  PackMap right = packMapOf(op, kernel::ContractOp::RhsMap, op.getN());
  OpBuilder builder(rhsPlace);
  Value rhs = pack(builder, op, op.getRhs(), right, kernel::PackForm::Pairs, group);
  AffineExpr panel = n.floorDiv(MatrixTile * group), lane = n.floorDiv(group) % MatrixTile;
  if (isSplit(op)) // of the terms, the first stands for all
    setMap(kernel::ContractOp::RhsMap, right,
           {panel, n % group, k.floorDiv(MatrixDepth), builder.getAffineConstantExpr(0),
            (k % MatrixDepth).floorDiv(2), lane, k % 2});
  else
    setMap(kernel::ContractOp::RhsMap, right, {panel, n % group, k.floorDiv(2), lane, k % 2});
  if (form == MatrixLhs::Packed) {
    PackMap left = packMapOf(op, kernel::ContractOp::LhsMap, op.getM());
    builder.setInsertionPoint(lhsPlace);
    op.getLhsMutable().assign(pack(builder, op, op.getLhs(), left, kernel::PackForm::Rows, 1));
    setMap(kernel::ContractOp::LhsMap, left, {dim(op.getM()), k});
  }
  op.getRhsMutable().assign(rhs);
  op.setMapsAttr(builder.getArrayAttr(maps));
}
