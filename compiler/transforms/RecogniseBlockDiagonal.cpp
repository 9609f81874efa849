// nn-recognise, the block-diagonal part: one batched product with a weight whose blocks see
// neighbouring features and give neighbouring features.
#include "compiler/transforms/BlockProducts.h"
#include "compiler/transforms/Recognise.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::recognise;

static void recogniseBlockDiagonal(nn::BatchMatmulOp product, Refusals &refusals) {
  int64_t blocks = nn::shapeOf(product.getResult())[0], s = nn::shapeOf(product.getResult())[2];
  Value x = blockInputOf(product);
  Value y =
      blockOutputOf(product, [&](int64_t feature) { return std::pair(feature / s, feature % s); });
  if (!x && !y)
    return; // nothing like one
  if (!x || !y) {
    std::string size = std::to_string(s), count = std::to_string(blocks);
    refusals.add(product,
                 "not a block-diagonal linear: " +
                     (x ? "the result is not (rows, out) with element k*" + size +
                              "+o from block k, position o"
                        : "the input is not (rows, in) in " + count + " contiguous blocks"));
    return;
  }
  OpBuilder builder(y.getDefiningOp());
  auto linear = nn::BlockDiagonalLinearOp::create(builder, product.getLoc(), y.getType(), x,
                                                  transposed(builder, product.getRhs()),
                                                  /*bias=*/Value());
  y.replaceAllUsesWith(linear.getResult());
}

void recognise::recogniseBlockDiagonals(func::FuncOp function, Weights &weights,
                                        Refusals &refusals) {
  SmallVector<nn::BatchMatmulOp> products;
  function.walk([&](nn::BatchMatmulOp op) {
    if (!op.getResult().use_empty() && weights.contains(op.getRhs()) &&
        !weights.contains(op.getLhs()))
      products.push_back(op);
  });
  for (nn::BatchMatmulOp product : products)
    recogniseBlockDiagonal(product, refusals);
}
