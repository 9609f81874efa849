// Verifiers, cost and gradient of attention.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus::nn;

namespace {
LogicalResult verifyAttention(Operation *op, Value query, Value logsumexp, int64_t heads) {
  auto q = shapeOf(query), l = shapeOf(logsumexp);
  // attention_c1, attention_backward_c1
  if (q.size() != 3)
    return op->emitOpError() << "query " << shapeText(q) << " must be (batch, tokens, d)";
  // attention_c2, attention_backward_c2
  if (heads < 1 || q[2] % heads != 0)
    return op->emitOpError() << heads << " heads do not divide d = " << q[2];
  // attention_c3, attention_backward_c3
  if (l != ArrayRef<int64_t>{q[0], heads, q[1]})
    return op->emitOpError() << "logsumexp must be (batch, heads, tokens) = "
                             << shapeText({q[0], heads, q[1]}) << ", got " << shapeText(l);
  return success();
}
} // namespace

LogicalResult AttentionOp::verify() {
  return verifyAttention(*this, getQuery(), getLogsumexp(), getHeads());
}

LogicalResult AttentionBackwardOp::verify() {
  return verifyAttention(*this, getQuery(), getLogsumexp(), getHeads());
}

/// Both products: scores, and their mean of the values.
int64_t AttentionOp::getMacs() {
  return 2 * getQuery().getType().getNumElements() * shapeOf(getQuery())[1];
}

void AttentionOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                                SmallVectorImpl<Value> &operands) {
  Type type = getQuery().getType();
  auto backward = AttentionBackwardOp::create(builder, getLoc(), type, type, type, getQuery(),
                                              getKey(), getValue(), getResult(), getLogsumexp(),
                                              gradients[0], getHeadsAttr());
  llvm::copy(backward.getResults(), operands.begin());
}
