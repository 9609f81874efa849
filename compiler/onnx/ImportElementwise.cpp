// Sums, activations, norms and means. Arithmetic with numbers is followed as a Formula until it is
// a GELU.
#include "compiler/onnx/Importer.h"

#include <cmath>

using namespace mlir;
using namespace danaus;
using namespace danaus::onnx;
using namespace danaus::import;

FailureOr<Value> Importer::add(const Node &node, Value lhs, Value rhs) {
  // Sizes of 1 in front change nothing: (1, tokens, d) is added like (tokens, d).
  auto trimmed = [&](Value side, size_t wanted) {
    ArrayRef<int64_t> shape = nn::shapeOf(side);
    while (shape.size() > wanted && shape.front() == 1)
      shape = shape.drop_front();
    return reshape(node, side, shape);
  };
  auto fits = [](Value whole, Value part) {
    ArrayRef<int64_t> shape = nn::shapeOf(part);
    return nn::shapeOf(whole).size() >= shape.size() &&
           nn::shapeOf(whole).take_back(shape.size()) == shape;
  };
  if (!fits(lhs, rhs)) {
    Value left = trimmed(lhs, 1), right = trimmed(rhs, 1);
    if (nn::shapeOf(lhs).size() >= nn::shapeOf(rhs).size() && fits(lhs, right))
      rhs = right;
    else if (fits(rhs, left))
      std::swap(lhs = left, rhs);
    else
      return error(node) << "a sum of " << nn::shapeText(nn::shapeOf(lhs)) << " and "
                         << nn::shapeText(nn::shapeOf(rhs))
                         << " is not supported: one side must be repeated over the first "
                            "dimensions of the other, or be equal to it";
  }
  // A bias is added to the matrix that a linear gives.
  Shape shape(nn::shapeOf(lhs));
  if (nn::shapeOf(rhs).size() == 1 && shape.size() > 2)
    lhs = reshape(node, lhs, {llvm::product_of(ArrayRef(shape).drop_back()), shape.back()});
  Value sum = nn::AddOp::create(model.builder, locationOf(node), lhs.getType(), lhs, rhs);
  return reshape(node, sum, shape);
}

FailureOr<Formula> Importer::formula(const Node &node, size_t index) {
  const Known &entry = known(node, index);
  if (entry.formula)
    return *entry.formula;
  if (entry.integers && entry.integers->values.size() == 1)
    return Formula::constant(double(entry.integers->values[0]));
  if (entry.tensor && entry.tensor->floats()->size() == 1)
    return Formula::constant(entry.tensor->floats()->front());
  auto x = value(node, index);
  if (failed(x))
    return failure();
  return Formula::of(*x);
}

LogicalResult Importer::giveFormula(const Node &node, const std::optional<Formula> &formula) {
  if (!formula)
    return error(node) << "this arithmetic is not supported: sums are of tensors, and products, "
                       << "powers, erf and tanh only the parts of GELU";
  Value x = formula->base();
  Location loc = locationOf(node);
  switch (formula->known()) {
  case Formula::Known::No:
    give(node, {.formula = formula});
    break;
  case Formula::Known::Base:
    give(node, Known{x});
    break;
  case Formula::Known::Gelu:
    give(node, Known{createActivation(model, loc, spec::Activation::Gelu, x)});
    break;
  case Formula::Known::GeluTanh:
    give(node, Known{createActivation(model, loc, spec::Activation::GeluTanh, x)});
    break;
  }
  return success();
}

LogicalResult Importer::importAdd(const Node &node) {
  // A sum repeats by itself what Expand has repeated.
  for (size_t i : {0, 1})
    if (Value repeated = known(node, i).repeated)
      names[node.inputs[i]] = Known{repeated};
  if (known(node, 0).formula || known(node, 1).formula)
    return importArithmetic(node);
  auto lhs = value(node, 0), rhs = value(node, 1);
  if (failed(lhs) || failed(rhs))
    return failure();
  auto sum = add(node, *lhs, *rhs);
  if (failed(sum))
    return failure();
  give(node, Known{*sum});
  return success();
}

LogicalResult Importer::importArithmetic(const Node &node) {
  if (known(node, 0).scores || known(node, 1).scores)
    return scaleScores(node);
  auto a = formula(node, 0), b = formula(node, 1);
  if (failed(a) || failed(b))
    return failure();
  std::optional<double> number = b->asConstant();
  if (node.op == "Add")
    return giveFormula(node, Formula::sum(*a, *b));
  if (node.op == "Sub")
    return giveFormula(node, Formula::sum(*a, *b, -1));
  if (node.op == "Mul")
    return giveFormula(node, Formula::product(*a, *b));
  if (node.op == "Div" && number && *number != 0)
    return giveFormula(node, Formula::product(*a, Formula::constant(1 / *number)));
  if (node.op == "Pow" && number == 2.0)
    return giveFormula(node, Formula::product(*a, *a));
  if (node.op == "Pow" && number == 3.0)
    if (auto square = Formula::product(*a, *a))
      return giveFormula(node, Formula::product(*square, *a));
  return giveFormula(node, std::nullopt);
}

LogicalResult Importer::importSqrt(const Node &node) {
  auto argument = formula(node, 0);
  if (failed(argument))
    return failure();
  std::optional<double> number = argument->asConstant();
  if (!number || *number < 0)
    return error(node) << "only of a number that is known while importing";
  give(node, {.formula = Formula::constant(std::sqrt(*number))});
  return success();
}

/// Erf and Tanh.
LogicalResult Importer::importErf(const Node &node) {
  auto argument = formula(node, 0);
  if (failed(argument))
    return failure();
  auto result = node.op == "Erf" ? Formula::erf(*argument) : Formula::tanh(*argument);
  if (!result)
    return error(node) << "is supported as a part of GELU only, and this is not its argument";
  give(node, {.formula = std::move(result)});
  return success();
}

LogicalResult Importer::importRelu(const Node &node) {
  auto input = value(node, 0);
  if (failed(input))
    return failure();
  give(node, Known{createActivation(model, locationOf(node), spec::Activation::Relu, *input)});
  return success();
}

LogicalResult Importer::importGelu(const Node &node) {
  auto input = value(node, 0);
  if (failed(input))
    return failure();
  const std::string *form = node.find<std::string>("approximate");
  bool isTanh = form && *form == "tanh";
  give(node, Known{createActivation(model, locationOf(node),
                                    isTanh ? spec::Activation::GeluTanh : spec::Activation::Gelu,
                                    *input)});
  return success();
}

LogicalResult Importer::importLayerNorm(const Node &node) {
  auto input = value(node, 0), weight = value(node, 1);
  if (failed(input) || failed(weight))
    return failure();
  Shape shape(nn::shapeOf(*input));
  auto place = axis(node, node.integer("axis", -1), shape.size());
  if (failed(place))
    return failure();
  const float *epsilon = node.find<float>("epsilon");
  float added = epsilon ? *epsilon : 1e-5f;
  if (*place != int64_t(shape.size()) - 1 || !(added > 0) || !std::isfinite(added))
    return error(node)
           << "only norms over the last dimension with a positive epsilon are supported";
  if (!has(node, 2))
    return error(node) << "norms without a bias are not supported";
  auto bias = value(node, 2);
  if (failed(bias))
    return failure();
  for (Value each : {*weight, *bias})
    if (nn::shapeOf(each) != ArrayRef(shape).take_back(1))
      return error(node) << "scale and bias must have the size of the last dimension, "
                         << shape.back();
  Location loc = locationOf(node);
  Value rows = createRows(model, loc, *input);
  auto perRow = nn::tensorOf(model.context, nn::shapeOf(rows)[0]);
  auto norm = nn::LayerNormOp::create(model.builder, loc, rows.getType(), perRow, perRow, rows,
                                      *weight, *bias, llvm::APFloat(double(added)));
  give(node, Known{createReshape(model, loc, norm.getResult(), shape)});
  return success();
}

/// The mean over tokens.
LogicalResult Importer::importReduceMean(const Node &node) {
  auto input = value(node, 0);
  auto axes = numbers(node, 1, "axes");
  if (failed(input) || failed(axes))
    return failure();
  ArrayRef<int64_t> shape = nn::shapeOf(*input);
  bool isTokens = shape.size() == 3 && *axes && (*axes)->size() == 1 &&
                  ((*axes)->front() == 1 || (*axes)->front() == -2);
  if (!isTokens)
    return error(node) << "only the mean over axis 1 of (batch, tokens, features) is supported";
  Value mean = nn::MeanTokensOp::create(model.builder, locationOf(node),
                                        nn::tensorOf(model.context, {shape[0], shape[2]}), *input);
  if (node.integer("keepdims", 1))
    mean = reshape(node, mean, {shape[0], 1, shape[2]});
  give(node, Known{mean});
  return success();
}
