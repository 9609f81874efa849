// Everything but products: movements, activations, norms and attention.
#include "compiler/onnx/Exporter.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;

static SmallVector<int64_t> lowOf(std::optional<ArrayRef<int64_t>> low, size_t rank) {
  return low ? SmallVector<int64_t>(*low) : SmallVector<int64_t>(rank, 0);
}

Exporter::Result Exporter::exportMovement(Operation *op) {
  const Exported &x = of(op->getOperand(0));
  ArrayRef<int64_t> shape = nn::shapeOf(op->getResult(0));
  if (auto transpose = dyn_cast<nn::TransposeOp>(op))
    return this->transpose(x, transpose.getPermutation());
  if (auto pad = dyn_cast<nn::PadOp>(op))
    return this->pad(x, lowOf(pad.getLow(), shape.size()), shape);
  if (auto slice = dyn_cast<nn::SliceOp>(op))
    return this->slice(x, lowOf(slice.getLow(), shape.size()), shape);
  return reshape(x, shape);
}

Exported Exporter::gelu(const Exported &x) {
  Exported scaled = same("Div", x, {x.name, number(float(std::numbers::sqrt2))});
  Exported inner = same("Erf", x, {scaled.name});
  Exported sum = same("Add", x, {inner.name, number(1)});
  Exported product = same("Mul", x, {x.name, sum.name});
  return same("Mul", x, {product.name, number(0.5)});
}

Exported Exporter::geluTanh(const Exported &x) {
  Exported square = same("Mul", x, {x.name, x.name});
  Exported cube = same("Mul", x, {square.name, x.name});
  Exported small = same("Mul", x, {cube.name, number(0.044715f)});
  Exported argument = same("Add", x, {x.name, small.name});
  float factor = float(std::sqrt(2 / std::numbers::pi));
  Exported scaled = same("Mul", x, {argument.name, number(factor)});
  Exported inner = same("Tanh", x, {scaled.name});
  Exported sum = same("Add", x, {inner.name, number(1)});
  Exported product = same("Mul", x, {x.name, sum.name});
  return same("Mul", x, {product.name, number(0.5)});
}

Exported Exporter::exportActivation(Operation *op) {
  const Exported x = of(op->getOperand(0));
  if (isa<nn::GeluOp>(op))
    return gelu(x);
  if (isa<nn::GeluTanhOp>(op))
    return geluTanh(x);
  return same("Relu", x, {x.name});
}

Exported Exporter::exportLayerNorm(nn::LayerNormOp op) {
  const Exported &x = of(op.getInput());
  return node("LayerNormalization", {x.name, of(op.getWeight()).name, of(op.getBias()).name}, x,
              {{"axis", int64_t(-1)}, {"epsilon", float(op.getEpsilon().convertToDouble())}});
}

/// softmax(q k^T / sqrt(d / heads)) v, head by head: (batch, tokens, d) is (batch, heads, tokens,
/// d / heads) in between.
Exported Exporter::exportAttention(nn::AttentionOp op) {
  int64_t heads = int64_t(op.getHeads());
  ArrayRef<int64_t> shape = nn::shapeOf(op.getQuery());
  int64_t width = shape[2] / heads;
  // The batch stays in front, so that no reshape can fail.
  auto split = [&](Value value, ArrayRef<int64_t> permutation) {
    return transpose(*reshape(of(value), {shape[0], shape[1], heads, width}), permutation);
  };
  Exported scores = matMul(split(op.getQuery(), {0, 2, 1, 3}), split(op.getKey(), {0, 2, 3, 1}));
  float scale = float(1 / std::sqrt(double(width)));
  Exported scaled = same("Mul", scores, {scores.name, number(scale)});
  Exported shares = node("Softmax", {scaled.name}, scaled, {{"axis", int64_t(-1)}});
  Exported mixed = matMul(shares, split(op.getValue(), {0, 2, 1, 3}));
  return *reshape(transpose(mixed, {0, 2, 1, 3}), shape);
}
