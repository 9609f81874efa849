// Attention, which ONNX writes as two products with a softmax between: followed from the first
// product on, and built where the second one ends it.
#include "compiler/onnx/Importer.h"

#include <cmath>

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;

std::optional<Scores> Importer::scoresOf(const Node &node) {
  Scores scores;
  for (auto [i, into] : llvm::enumerate(std::array{&scores.query, &scores.key})) {
    const Known &entry = known(node, i);
    *into = entry.value;
    if (entry.formula && entry.formula->asMultiple()) {
      *into = entry.formula->base();
      scores.scale *= *entry.formula->asMultiple();
    }
    if (!*into || isWeight(*into))
      return std::nullopt;
  }
  ArrayRef<int64_t> q = nn::shapeOf(scores.query), k = nn::shapeOf(scores.key);
  bool fits = (q.size() == 3 || q.size() == 4) && q.size() == k.size() &&
              q.drop_back(2) == k.drop_back(2) && q.back() == k.end()[-2];
  return fits ? std::optional(scores) : std::nullopt;
}

LogicalResult Importer::scaleScores(const Node &node) {
  size_t place = known(node, 0).scores ? 0 : 1;
  Scores scores = *known(node, place).scores;
  const Known &other = known(node, 1 - place);
  std::optional<double> number;
  if (other.formula)
    number = other.formula->asConstant();
  if (other.tensor && other.tensor->floats()->size() == 1)
    number = other.tensor->floats()->front();
  bool divides = node.op == "Div" && place == 0;
  if (scores.areShares || !number || *number == 0 || (node.op != "Mul" && !divides))
    return error(node) << "scores of attention may only be multiplied by a number";
  scores.scale = divides ? scores.scale / *number : scores.scale * *number;
  give(node, {.scores = scores});
  return success();
}

LogicalResult Importer::importSoftmax(const Node &node) {
  if (!known(node, 0).scores || known(node, 0).scores->areShares)
    return error(node) << "is supported inside attention only: softmax(q k / sqrt(d)) v";
  Scores scores = *known(node, 0).scores;
  size_t rank = nn::shapeOf(scores.query).size();
  auto place = axis(node, node.integer("axis", -1), rank);
  if (failed(place))
    return failure();
  if (*place != int64_t(rank) - 1)
    return error(node) << "attention needs the softmax over the last axis";
  scores.areShares = true;
  give(node, {.scores = scores});
  return success();
}

LogicalResult Importer::importAttention(const Node &node) {
  const Scores scores = *known(node, 0).scores;
  auto mixed = value(node, 1);
  if (failed(mixed))
    return failure();
  Shape q(nn::shapeOf(scores.query)), wanted = q;
  std::swap(wanted.end()[-1], wanted.end()[-2]);
  if (ArrayRef<int64_t>(q) != nn::shapeOf(*mixed) ||
      ArrayRef<int64_t>(wanted) != nn::shapeOf(scores.key))
    return error(node) << "attention needs queries, keys and values of one shape, not "
                       << nn::shapeText(q) << " by " << nn::shapeText(nn::shapeOf(scores.key))
                       << " by " << nn::shapeText(nn::shapeOf(*mixed));
  bool hasHeads = q.size() == 4;
  int64_t heads = hasHeads ? q[1] : 1, tokens = q.end()[-2], width = q.back();
  double scale = 1 / std::sqrt(double(width));
  if (!(std::fabs(scores.scale - scale) <= 1e-4 * scale))
    return error(node) << "attention needs scores divided by sqrt(" << width
                       << "), the width of a head; here they are multiplied by " << scores.scale;
  // (batch, heads, tokens, width) to (batch, tokens, heads * width).
  SmallVector<int64_t> together{q[0], tokens, heads * width};
  auto joined = [&](Value x, ArrayRef<int64_t> permutation) {
    return reshape(node, transpose(node, x, permutation), together);
  };
  Shape back = hasHeads ? Shape{0, 2, 1, 3} : Shape{0, 1, 2};
  Value query = joined(scores.query, back), valued = joined(*mixed, back);
  Value key = joined(scores.key, hasHeads ? Shape{0, 3, 1, 2} : Shape{0, 2, 1});
  auto logsumexp = nn::tensorOf(model.context, {q[0], heads, tokens});
  auto attention = nn::AttentionOp::create(model.builder, locationOf(node), query.getType(),
                                           logsumexp, query, key, valued, uint64_t(heads));
  Value split = reshape(node, attention.getResult(), {q[0], tokens, heads, width});
  give(node, Known{hasHeads ? transpose(node, split, back) : attention.getResult()});
  return success();
}
