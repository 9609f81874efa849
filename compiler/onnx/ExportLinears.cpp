// Linears of all structures as chains that a reader, and our own importer, recognises. Weights stay
// in our layout, (out, in), and are transposed by a node, which every runtime folds away.
#include "compiler/onnx/Exporter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;

Exported Exporter::linear(const Exported &x, const Exported &weight, const Exported *bias) {
  SmallVector<std::string> inputs{x.name, weight.name};
  if (bias)
    inputs.push_back(bias->name);
  return node("Gemm", inputs, {"", {x.shape[0], weight.shape[0]}, x.batch},
              {{"transB", int64_t(1)}});
}

Exporter::Result Exporter::blocksOf(const Exported &x, int64_t blocks, int64_t width) {
  int64_t rows = x.shape[0];
  Result split = reshape(pad(x, {0, 0}, {rows, blocks * width}), {rows, blocks, width});
  if (failed(split))
    return failure();
  return transpose(*split, {1, 0, 2});
}

Exported Exporter::finish(Exported y, int64_t out, Value bias) {
  Exported result = slice(y, {0, 0}, {y.shape[0], out});
  return bias ? add(result, of(bias)) : result;
}

Exporter::Result Exporter::monarch(nn::MonarchLinearOp op) {
  const Exported first = of(op.getBlkdiag1()), second = of(op.getBlkdiag2());
  int64_t blocks = first.shape[0], q = first.shape[1], p = first.shape[2], s = second.shape[1];
  const Exported x = of(op.getInput());
  int64_t rows = x.shape[0];
  Result in = blocksOf(x, blocks, p);
  if (failed(in))
    return failure();
  Exported hidden = matMul(*in, transpose(first, {0, 2, 1})); // (N, rows, q)
  Result mixed = reshape(transpose(hidden, {1, 0, 2}), {rows, q, blocks});
  if (failed(mixed))
    return failure();
  Exported y = matMul(transpose(*mixed, {2, 0, 1}), transpose(second, {0, 2, 1})); // (N, rows, s)
  Result joined = reshape(transpose(y, {1, 2, 0}), {rows, s * blocks});
  if (failed(joined))
    return failure();
  return finish(*joined, op.getOutFeatures(), op.getBias());
}

Exporter::Result Exporter::blockDiagonal(nn::BlockDiagonalLinearOp op) {
  const Exported weight = of(op.getBlkdiag());
  int64_t blocks = weight.shape[0], s = weight.shape[1];
  const Exported x = of(op.getInput());
  Result in = blocksOf(x, blocks, weight.shape[2]);
  if (failed(in))
    return failure();
  Exported y = matMul(*in, transpose(weight, {0, 2, 1})); // (N, rows, s)
  Result joined = reshape(transpose(y, {1, 0, 2}), {x.shape[0], blocks * s});
  if (failed(joined))
    return failure();
  return finish(*joined, op.getOutFeatures(), op.getBias());
}

Exporter::Result Exporter::exportProduct(Operation *op) {
  auto biasOf = [&](auto linear) { return linear.getBias() ? &of(linear.getBias()) : nullptr; };
  return TypeSwitch<Operation *, Result>(op)
      .Case<nn::LinearOp>([&](auto linear) {
        return this->linear(of(linear.getInput()), of(linear.getWeight()), biasOf(linear));
      })
      .Case<nn::LowRankLinearOp>([&](auto linear) {
        Exported down = this->linear(of(linear.getInput()), of(linear.getDown()), nullptr);
        return this->linear(down, of(linear.getUp()), biasOf(linear));
      })
      .Case<nn::MonarchLinearOp>([&](auto linear) { return monarch(linear); })
      .Case<nn::BlockDiagonalLinearOp>([&](auto linear) { return blockDiagonal(linear); })
      .Case<nn::MatmulOp, nn::BatchMatmulOp>([&](auto product) -> Result {
        return matMul(of(product.getLhs()), of(product.getRhs()));
      })
      .Default([&](Operation *other) -> Result {
        return other->emitError() << other->getName() << " has no form in ONNX here";
      });
}
