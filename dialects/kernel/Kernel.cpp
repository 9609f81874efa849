// Registration and verifiers of the kernel dialect.
#include "dialects/kernel/Kernel.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace danaus::kernel;

#include "dialects/kernel/KernelDialect.cpp.inc"
#include "dialects/kernel/KernelEnums.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/kernel/KernelOps.cpp.inc"

void KernelDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/kernel/KernelOps.cpp.inc"
      >();
}

namespace {
int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

/// One map per operand and result, each over `dims` dimensions and with the tensor's rank as
/// results.
LogicalResult verifyMaps(Operation *op, ArrayAttr maps, unsigned dims, ArrayRef<Value> indexed) {
  if (maps.size() != indexed.size())
    return op->emitOpError() << "expects " << indexed.size() << " maps, got " << maps.size();
  for (auto [i, value] : llvm::enumerate(indexed)) {
    auto map = cast<AffineMapAttr>(maps[i]).getValue();
    if (map.getNumDims() != dims || map.getNumResults() != rankOf(value))
      return op->emitOpError() << "map " << i << " has " << map.getNumDims() << " dimensions and "
                               << map.getNumResults() << " results, expected " << dims << " and "
                               << rankOf(value);
  }
  return success();
}

/// The region takes `arguments` scalars and yields `results`.
LogicalResult verifyRegion(Operation *op, Region &region, size_t arguments, size_t results) {
  auto *terminator = region.front().getTerminator();
  if (region.getNumArguments() != arguments || terminator->getNumOperands() != results)
    return op->emitOpError() << "region takes " << region.getNumArguments() << " values and yields "
                             << terminator->getNumOperands() << ", expected " << arguments
                             << " and " << results;
  return success();
}

/// Whether `expr` uses dimension `dim` outside of a mod.
bool usesOutsideMod(AffineExpr expr, unsigned dim) {
  if (auto d = dyn_cast<AffineDimExpr>(expr))
    return d.getPosition() == dim;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || expr.getKind() == AffineExprKind::Mod)
    return false;
  return usesOutsideMod(binary.getLHS(), dim) || usesOutsideMod(binary.getRHS(), dim);
}
} // namespace

LogicalResult ContractOp::verify() {
  // contract_c2
  if (getSizes().size() < 3)
    return emitOpError() << "sizes must hold (batch..., M, N, K), got [" << getSizes() << "]";
  // contract_c1
  SmallVector<Value> indexed{getLhs(), getRhs()};
  if (getResults().empty())
    return emitOpError("has no result");
  indexed.push_back(getResults().front());
  indexed.append(getExtras().begin(), getExtras().end());
  if (!getPanel() && !getMatrixUnit() &&
      failed(verifyMaps(*this, getMaps(), getSizes().size(), indexed)))
    return failure();
  // contract_c3
  if (failed(verifyRegion(*this, getEpilogue(), 1 + getExtras().size(), getResults().size())))
    return failure();
  // contract_c4
  for (AffineExpr expr : getMap(LhsMap).getResults())
    if (usesOutsideMod(expr, getN()))
      return emitOpError("lhs depends on N other than through mod");
  if (getMap(RhsMap).isFunctionOfDim(getM()))
    return emitOpError("rhs depends on M");
  return success();
}

int64_t ContractOp::getMacs() {
  int64_t macs = 1;
  for (int64_t size : getSizes())
    macs *= size;
  return macs;
}

int64_t ContractOp::getGroup() {
  int64_t group = 1;
  getMap(LhsMap).walkExprs([&](AffineExpr expr) {
    if (expr.getKind() == AffineExprKind::Mod)
      if (auto size = dyn_cast<AffineConstantExpr>(cast<AffineBinaryOpExpr>(expr).getRHS()))
        group = std::max(group, size.getValue());
  });
  return group;
}

LogicalResult RowOp::verify() {
  // row_c3
  if (getSizes().size() != 2)
    return emitOpError() << "sizes must be [rows, columns], got [" << getSizes() << "]";
  // row_c1
  SmallVector<Value> indexed(getInputs());
  indexed.append(getResults().begin(), getResults().end());
  if (failed(verifyMaps(*this, getMaps(), 2, indexed)))
    return failure();
  // row_c2
  return verifyRegion(*this, getBody(), getInputs().size(), getResults().size());
}

int64_t ChainOp::getRowCount() {
  Operation &first = getBody().front().front();
  if (auto contract = dyn_cast<ContractOp>(first))
    return contract.getSizes()[contract.getM()];
  return cast<RowOp>(first).getRowCount();
}

LogicalResult ChainOp::verify() {
  Block &body = getBody().front();
  if (!isa<ContractOp, RowOp>(body.front()))
    return emitOpError("body must begin with kernel.contract or kernel.row");
  // chain_c1
  int64_t rows = getRowCount();
  for (Operation &op : body.without_terminator()) {
    int64_t own = -1;
    if (auto contract = dyn_cast<ContractOp>(op))
      own = contract.getSizes()[contract.getM()];
    else if (auto row = dyn_cast<RowOp>(op))
      own = row.getRowCount();
    if (own != rows)
      return emitOpError() << "runs over " << rows << " rows; '" << op.getName()
                           << "' in it does not";
  }
  // chain_c2
  if (getRows() && *getRows() < 1)
    return emitOpError() << "rows must be at least 1, got " << *getRows();
  if (failed(verifyRegion(*this, getBody(), 0, getResults().size())))
    return failure();
  // chain_c3
  for (int64_t i : getStreamed().value_or(ArrayRef<int64_t>())) {
    if (i < 0 || i >= int64_t(getNumResults()))
      return emitOpError() << "streams result " << i << " of " << getNumResults();
    if (!body.getTerminator()->getOperand(i).hasOneUse())
      return emitOpError() << "streams result " << i << ", which its body reads";
  }
  return success();
}

LogicalResult CopyOp::verify() {
  // copy_c1
  if (getMap().getNumDims() != rankOf(getResult()) ||
      getMap().getNumResults() != rankOf(getInput()))
    return emitOpError() << "map must go from " << rankOf(getResult()) << " to "
                         << rankOf(getInput()) << " dimensions";
  return success();
}

SmallVector<int64_t> PackOp::shapeOf(PackForm form, ArrayRef<int64_t> sizes, int64_t group,
                                     int64_t terms) {
  SmallVector<int64_t> shape(sizes.drop_back(2));
  int64_t columns = sizes[sizes.size() - 2], paddedK = llvm::alignTo(sizes.back(), 32);
  if (form == PackForm::Rows)
    shape.append({int64_t(llvm::alignTo(columns, 16)), paddedK});
  else if (terms == 1)
    shape.append({int64_t(llvm::divideCeil(columns, 16 * group)), group, paddedK / 2, 16, 2});
  else
    shape.append(
        {int64_t(llvm::divideCeil(columns, 16 * group)), group, paddedK / 32, terms, 16, 16, 2});
  return shape;
}

LogicalResult PackOp::verify() {
  // pack_c2
  if (getSizes().size() < 2)
    return emitOpError() << "sizes must hold (batch..., C, K), got [" << getSizes() << "]";
  // pack_c1
  if (getMap().getNumDims() != getSizes().size() || getMap().getNumResults() != rankOf(getInput()))
    return emitOpError() << "map must go from " << getSizes().size() << " to " << rankOf(getInput())
                         << " dimensions";
  // pack_c4
  if (getGroup() < 1 || (getForm() == PackForm::Rows && getGroup() != 1))
    return emitOpError() << "cannot pack " << stringifyPackForm(getForm()) << " in groups of "
                         << getGroup();
  // pack_c5
  if (getTerms() && (*getTerms() != 3 || getForm() != PackForm::Pairs ||
                     !cast<RankedTensorType>(getInput().getType()).getElementType().isF32()))
    return emitOpError() << "terms are 3, of float32, in pairs";
  // pack_c3
  auto type = cast<RankedTensorType>(getResult().getType());
  SmallVector<int64_t> shape = shapeOf(getForm(), getSizes(), getGroup(), getTerms().value_or(1));
  if (!type.getElementType().isBF16() || type.getShape() != ArrayRef<int64_t>(shape))
    return emitOpError() << "result must be "
                         << RankedTensorType::get(shape, BFloat16Type::get(getContext()));
  return success();
}

LogicalResult ReduceOp::verify() {
  // reduce_c3
  if (getSizes().size() != 3)
    return emitOpError() << "sizes must be [batch, rows, columns], got [" << getSizes() << "]";
  // reduce_c1
  SmallVector<Value> indexed(getInputs());
  indexed.append(getResults().begin(), getResults().end());
  if (failed(verifyMaps(*this, getMaps(), 3, indexed)))
    return failure();
  // reduce_c4
  for (unsigned i = 0; i < getNumResults(); ++i)
    if (getResultMap(i).isFunctionOfDim(1))
      return emitOpError() << "result " << i << " depends on the row";
  // reduce_c2
  return verifyRegion(*this, getBody(), getInputs().size(), getResults().size());
}

namespace {
template <typename Op> LogicalResult verifyAttention(Op op) {
  auto query = cast<RankedTensorType>(op.getQuery().getType());
  // attention_c1, attention_backward_c1
  if (query.getRank() != 3)
    return op.emitOpError("query must be (batch, tokens, d)");
  int64_t heads = op.getHeads();
  // attention_c2, attention_backward_c2
  if (heads < 1 || query.getDimSize(2) % heads != 0)
    return op.emitOpError() << heads << " heads do not divide d = " << query.getDimSize(2);
  // attention_c3, attention_backward_c3
  auto logsumexp = cast<RankedTensorType>(op.getLogsumexp().getType()).getShape();
  if (logsumexp != ArrayRef<int64_t>{query.getDimSize(0), heads, query.getDimSize(1)})
    return op.emitOpError("logsumexp must be (batch, heads, tokens)");
  // attention_c4, attention_backward_c4
  if (auto tile = op.getTile(); tile && (tile->size() != 2 || (*tile)[0] < 1 || (*tile)[1] < 1))
    return op.emitOpError() << "tile must be [queries, keys], got [" << *tile << "]";
  // attention_c5, attention_backward_c5
  if (op.getMatrixUnit() && !(op.getProducts() && op.getProducts()->isBF16()))
    return op.emitOpError("the matrix unit multiplies bf16: products must be bf16");
  return success();
}
} // namespace

LogicalResult AttentionOp::verify() { return verifyAttention(*this); }
LogicalResult AttentionBackwardOp::verify() { return verifyAttention(*this); }

LogicalResult UpdateOp::verify() {
  size_t count = getParameters().size();
  // update_c1
  if (count == 0 || getGradients().size() != count || getStates().size() % count != 0 ||
      getResults().size() != count + getStates().size())
    return emitOpError() << "has " << count << " parameters, " << getGradients().size()
                         << " gradients, " << getStates().size() << " states and "
                         << getResults().size() << " results";
  for (unsigned i = 0; i < count; ++i)
    if (getGradients()[i].getType() != getParameters()[i].getType())
      return emitOpError() << "parameter and gradient " << i << " differ in type";
  // update_c2
  return verifyRegion(*this, getBody(),
                      2 + getNumStates() + getControlIndices().size() + getMetricsIndices().size(),
                      1 + getNumStates());
}
