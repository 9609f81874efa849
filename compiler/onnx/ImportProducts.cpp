// Matrix products of all spellings. A weight ends as the right factor of nn.matmul or
// nn.batch_matmul, where nn-recognise looks for it.
#include "compiler/onnx/Importer.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;
using namespace danaus::import;

static SmallVector<int64_t> lastTwoSwapped(size_t rank) {
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(rank)));
  std::swap(permutation.end()[-1], permutation.end()[-2]);
  return permutation;
}

FailureOr<Value> Importer::rawProduct(const Node &node, Value lhs, Value rhs) {
  if (isWeight(lhs) && !isWeight(rhs)) {
    SmallVector<int64_t> permutation = lastTwoSwapped(nn::shapeOf(lhs).size());
    auto result =
        rawProduct(node, transpose(node, rhs, permutation), transpose(node, lhs, permutation));
    if (failed(result))
      return failure();
    return transpose(node, *result, permutation);
  }
  Shape shape(nn::shapeOf(lhs));
  shape.back() = nn::shapeOf(rhs).back();
  auto type =
      model.tensorOf(shape, {model.spec.onnxFile.mark}, "the result of node '" + node.name + "'");
  if (failed(type))
    return failure();
  if (shape.size() == 2)
    return nn::MatmulOp::create(model.builder, locationOf(node), *type, lhs, rhs).getResult();
  return nn::BatchMatmulOp::create(model.builder, locationOf(node), *type, lhs, rhs).getResult();
}

FailureOr<Value> Importer::product(const Node &node, Value lhs, Value rhs) {
  Shape left(nn::shapeOf(lhs)), right(nn::shapeOf(rhs));
  auto refuse = [&] {
    return error(node) << "a product of " << nn::shapeText(left) << " and " << nn::shapeText(right)
                       << " is not supported, or does not fit";
  };
  if (left.size() < 2 || right.size() < 2 || left.back() != right.end()[-2])
    return refuse();
  if (left.size() < right.size()) { // (b..., m, k) x (k, n) is the transposed of such a product
    auto result = product(node, transpose(node, rhs, lastTwoSwapped(right.size())),
                          transpose(node, lhs, lastTwoSwapped(left.size())));
    if (failed(result))
      return failure();
    return transpose(node, *result, lastTwoSwapped(right.size()));
  }
  int64_t k = left.back(), m = left.end()[-2], n = right.back();
  Shape shape(left);
  shape.back() = n;
  if (right.size() == 2) {
    int64_t rows = llvm::product_of(ArrayRef(left).drop_back());
    auto result = left.size() == 2 ? rawProduct(node, lhs, rhs)
                                   : rawProduct(node, reshape(node, lhs, {rows, k}), rhs);
    if (failed(result))
      return failure();
    return reshape(node, *result, shape);
  }
  ArrayRef<int64_t> batch = ArrayRef(right).drop_back(2), leading = ArrayRef(left).drop_back(2);
  if (leading.take_back(batch.size()) != batch)
    return refuse();
  // Dimensions that the right side does not have become rows.
  int64_t blocks = llvm::product_of(batch);
  int64_t others = llvm::product_of(leading.drop_back(batch.size()));
  Value stacked = reshape(node, rhs, {blocks, k, n});
  if (others == 1) {
    auto result = rawProduct(node, reshape(node, lhs, {blocks, m, k}), stacked);
    if (failed(result))
      return failure();
    return reshape(node, *result, shape);
  }
  Value rows = transpose(node, reshape(node, lhs, {others, blocks, m, k}), {1, 0, 2, 3});
  auto result = rawProduct(node, reshape(node, rows, {blocks, others * m, k}), stacked);
  if (failed(result))
    return failure();
  Value back = transpose(node, reshape(node, *result, {blocks, others, m, n}), {1, 0, 2, 3});
  return reshape(node, back, shape);
}

LogicalResult Importer::importMatMul(const Node &node) {
  if (known(node, 0).scores && known(node, 0).scores->areShares)
    return importAttention(node);
  if (std::optional<Scores> scores = scoresOf(node)) {
    give(node, {.scores = scores});
    return success();
  }
  auto lhs = value(node, 0), rhs = value(node, 1);
  if (failed(lhs) || failed(rhs))
    return failure();
  auto result = product(node, *lhs, *rhs);
  if (failed(result))
    return failure();
  give(node, Known{*result});
  return success();
}

LogicalResult Importer::importGemm(const Node &node) {
  auto lhs = value(node, 0), rhs = value(node, 1);
  if (failed(lhs) || failed(rhs))
    return failure();
  auto isOne = [&](const char *name) {
    const float *factor = node.find<float>(name);
    return !factor || *factor == 1;
  };
  if (!isOne("alpha") || (has(node, 2) && !isOne("beta")))
    return error(node) << "alpha and beta other than 1 are not supported";
  if (nn::shapeOf(*lhs).size() != 2 || nn::shapeOf(*rhs).size() != 2)
    return error(node) << "the factors must be matrices";
  auto turned = [&](Value factor, const char *name) {
    return node.integer(name, 0) ? transpose(node, factor, {1, 0}) : factor;
  };
  auto result = product(node, turned(*lhs, "transA"), turned(*rhs, "transB"));
  if (failed(result))
    return failure();
  if (has(node, 2)) {
    auto bias = value(node, 2);
    if (failed(bias))
      return failure();
    result = add(node, *result, *bias);
    if (failed(result))
      return failure();
  }
  give(node, Known{*result});
  return success();
}

namespace {
/// The letters of an equation's dimensions by what becomes of them, and their sizes.
struct Letters {
  std::string batch, left, right, summed;
  bool areSupported = true;
  llvm::DenseMap<char, int64_t> sizes;

  Letters(StringRef a, StringRef b, StringRef out) {
    auto unique = [](StringRef text) {
      for (char c : text)
        if (!llvm::isAlpha(c) || text.count(c) != 1)
          return false;
      return true;
    };
    areSupported = unique(a) && unique(b) && unique(out);
    for (char c : a)
      (b.contains(c) ? (out.contains(c) ? batch : summed) : left) += c;
    for (char c : b)
      if (!a.contains(c))
        right += c;
    std::string all = batch + left + right;
    areSupported &=
        all.size() == out.size() && llvm::all_of(all, [&](char c) { return out.contains(c); });
  }

  /// False where a letter has two sizes; then it is in `wrong`.
  bool measure(StringRef letters, ArrayRef<int64_t> shape, char &wrong) {
    for (auto [letter, size] : llvm::zip_equal(letters, shape))
      if (!sizes.try_emplace(letter, size).second && sizes[letter] != size)
        return wrong = letter, false;
    return true;
  }
  SmallVector<int64_t> shapeOf(StringRef letters) const {
    SmallVector<int64_t> shape;
    for (char letter : letters)
      shape.push_back(sizes.lookup(letter));
    return shape;
  }
  int64_t count(StringRef letters) const { return llvm::product_of(shapeOf(letters)); }
};

/// The permutation that brings dimensions called `from` into the order `to`.
SmallVector<int64_t> orderOf(StringRef from, StringRef to) {
  SmallVector<int64_t> permutation;
  for (char letter : to)
    permutation.push_back(int64_t(from.find(letter)));
  return permutation;
}
} // namespace

LogicalResult Importer::importEinsum(const Node &node) {
  auto lhs = value(node, 0), rhs = value(node, 1);
  if (failed(lhs) || failed(rhs))
    return failure();
  const std::string *given = node.find<std::string>("equation");
  std::string equation = given ? *given : "";
  llvm::erase(equation, ' ');
  auto [factors, out] = StringRef(equation).split("->");
  auto [a, b] = factors.split(',');
  if (isWeight(*lhs)) { // a weight stands on the right
    std::swap(a, b);
    std::swap(lhs, rhs);
  }
  Letters letters(a, b, out);
  if (!letters.areSupported)
    return error(node) << "the equation '" << equation << "' is not supported: it must be of two "
                       << "factors, ab,bc->ac, and every letter that is summed is in both";
  ArrayRef<int64_t> left = nn::shapeOf(*lhs), right = nn::shapeOf(*rhs);
  if (left.size() != a.size() || right.size() != b.size())
    return error(node) << "'" << equation << "' is not for " << nn::shapeText(left) << " and "
                       << nn::shapeText(right);
  if (char wrong = 0; !letters.measure(a, left, wrong) || !letters.measure(b, right, wrong))
    return error(node) << "'" << std::string(1, wrong) << "' has two sizes in "
                       << nn::shapeText(left) << " and " << nn::shapeText(right);
  Value x = transpose(node, *lhs, orderOf(a, letters.batch + letters.left + letters.summed));
  Value w = transpose(node, *rhs, orderOf(b, letters.batch + letters.summed + letters.right));
  Shape xShape{letters.count(letters.left), letters.count(letters.summed)};
  Shape wShape{letters.count(letters.summed), letters.count(letters.right)};
  if (!letters.batch.empty()) {
    xShape.insert(xShape.begin(), letters.count(letters.batch));
    wShape.insert(wShape.begin(), letters.count(letters.batch));
  }
  auto result = rawProduct(node, reshape(node, x, xShape), reshape(node, w, wShape));
  if (failed(result))
    return failure();
  std::string have = letters.batch + letters.left + letters.right;
  Value split = reshape(node, *result, letters.shapeOf(have));
  give(node, Known{transpose(node, split, orderOf(have, out))});
  return success();
}

/// Patches that do not overlap: a movement and a linear.
LogicalResult Importer::importConv(const Node &node) {
  auto input = value(node, 0), weight = value(node, 1);
  if (failed(input) || failed(weight))
    return failure();
  ArrayRef<int64_t> x = nn::shapeOf(*input), w = nn::shapeOf(*weight);
  if (x.size() != 4 || w.size() != 4 || x[1] != w[1])
    return error(node) << nn::shapeText(x) << " by a kernel of " << nn::shapeText(w)
                       << ": only images with kernels over all channels are supported";
  auto all = [&](const char *name, ArrayRef<int64_t> wanted) {
    const auto *given = node.find<std::vector<int64_t>>(name);
    return given ? ArrayRef(*given) == wanted
                 : llvm::all_of(wanted, [](int64_t each) { return each <= 1; });
  };
  const std::string *padding = node.find<std::string>("auto_pad");
  if (!all("strides", {w[2], w[3]}) || !all("dilations", {1, 1}) || !all("pads", {0, 0, 0, 0}) ||
      node.integer("group", 1) != 1 || (padding && *padding != "NOTSET" && *padding != "VALID") ||
      x[2] % w[2] || x[3] % w[3])
    return error(node) << "only convolutions that cut an image into patches are supported: strides "
                       << "as the kernel's sizes, which divide the image, no padding, one group";
  int64_t height = x[2] / w[2], width = x[3] / w[3], inside = w[1] * w[2] * w[3];
  Value split = reshape(node, *input, {x[0], x[1], height, w[2], width, w[3]});
  Value rows =
      reshape(node, transpose(node, split, {0, 2, 4, 1, 3, 5}), {x[0] * height * width, inside});
  Value matrix = reshape(node, *weight, {w[0], inside});
  auto result = rawProduct(node, rows, transpose(node, matrix, {1, 0}));
  if (failed(result))
    return failure();
  if (has(node, 2)) {
    auto bias = value(node, 2);
    if (failed(bias) || failed(result = add(node, *result, *bias)))
      return failure();
  }
  Value image = reshape(node, *result, {x[0], height, width, w[0]});
  give(node, Known{transpose(node, image, {0, 3, 1, 2})});
  return success();
}
