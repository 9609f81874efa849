// See OpsStep.h: the functions that steps call. Each checks the shapes of its arguments.
#include "compiler/import/OpsStep.h"
#include "runtime/base/Nearest.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace danaus::import {

/// "1 tensor", "2 tensors".
static std::string counted(size_t count, StringRef noun) {
  return (Twine(count) + " " + noun + (count == 1 ? "" : "s")).str();
}

/// First the tensors, then numbers where the function takes any.
LogicalResult StepParser::checkArity(StringRef function, size_t offset, Arguments arguments,
                                     size_t tensors, bool takesNumbers) {
  size_t given = llvm::count_if(arguments, [](const Argument &a) { return bool(a.value); });
  if (given != tensors || (!takesNumbers && arguments.size() > tensors))
    return error(offset) << function << " takes " << counted(tensors, "tensor")
                         << (takesNumbers ? " and numbers" : "") << ", got "
                         << counted(given, "tensor") << " and "
                         << counted(arguments.size() - given, "number");
  for (const Argument &argument : arguments.take_front(tensors))
    if (!argument.value)
      return error(argument.offset)
             << "expected a tensor: in " << function << " tensors stand before numbers";
  return success();
}

FailureOr<Value> StepParser::add(size_t offset, Value left, Value right) {
  auto ends = [](ArrayRef<int64_t> longer, ArrayRef<int64_t> shorter) {
    return shorter.size() <= longer.size() && longer.take_back(shorter.size()) == shorter;
  };
  ArrayRef<int64_t> a = nn::shapeOf(left), b = nn::shapeOf(right);
  if (!ends(a, b))
    std::swap(left, right);
  if (!ends(nn::shapeOf(left), nn::shapeOf(right)))
    return error(offset) << "cannot add " << nn::shapeText(a) << " and " << nn::shapeText(b)
                         << ": one shape must be the end of the other";
  return nn::AddOp::create(model.builder, locationAt(offset), left.getType(), left, right)
      .getResult();
}

FailureOr<Value> StepParser::matmul(size_t offset, Arguments arguments) {
  Value left = arguments[0].value, right = arguments[1].value;
  ArrayRef<int64_t> a = nn::shapeOf(left), b = nn::shapeOf(right);
  if (a.size() != 2 || b.size() != 2)
    return error(offset) << "matmul takes two matrices, got " << nn::shapeText(a) << " and "
                         << nn::shapeText(b) << " (batch_matmul takes rank 3)";
  if (a[1] != b[0])
    return error(offset) << "matmul of " << nn::shapeText(a) << " and " << nn::shapeText(b)
                         << ": the inner dimensions " << a[1] << " and " << b[0] << " differ";
  auto type = resultType({a[0], b[1]}, offset);
  if (failed(type))
    return failure();
  return nn::MatmulOp::create(model.builder, locationAt(offset), *type, left, right).getResult();
}

FailureOr<Value> StepParser::batchMatmul(size_t offset, Arguments arguments) {
  Value left = arguments[0].value, right = arguments[1].value;
  ArrayRef<int64_t> a = nn::shapeOf(left), b = nn::shapeOf(right);
  if (a.size() != 3 || b.size() != 3 || a[0] != b[0] || a[2] != b[1])
    return error(offset) << "batch_matmul of " << nn::shapeText(a) << " and " << nn::shapeText(b)
                         << ": takes (b, m, k) and (b, k, n)";
  auto type = resultType({a[0], a[1], b[2]}, offset);
  if (failed(type))
    return failure();
  return nn::BatchMatmulOp::create(model.builder, locationAt(offset), *type, left, right)
      .getResult();
}

FailureOr<Value> StepParser::transpose(size_t offset, Arguments arguments) {
  Value input = arguments[0].value;
  ArrayRef<int64_t> shape = nn::shapeOf(input);
  SmallVector<int64_t> permutation, result;
  for (const Argument &argument : arguments.drop_front())
    permutation.push_back(argument.number);
  if (permutation.empty() && shape.size() == 2)
    permutation = {1, 0};
  SmallVector<int64_t> sorted(permutation);
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, shape.size())))
    return error(offset) << "transpose of " << nn::shapeText(shape)
                         << " takes the new order of its dimensions, a permutation of 0 to "
                         << int64_t(shape.size()) - 1;
  for (int64_t dim : permutation)
    result.push_back(shape[dim]);
  return nn::TransposeOp::create(model.builder, locationAt(offset),
                                 nn::tensorOf(model.context, result), input, permutation)
      .getResult();
}

FailureOr<Value> StepParser::reshape(size_t offset, Arguments arguments) {
  Value input = arguments[0].value;
  int64_t elements = cast<RankedTensorType>(input.getType()).getNumElements(), known = 1;
  SmallVector<int64_t> shape;
  std::optional<size_t> open;
  bool fits = arguments.size() > 1;
  for (const Argument &argument : arguments.drop_front()) {
    shape.push_back(argument.number);
    if (argument.number == -1 && open)
      return error(argument.offset) << "only one dimension of a reshape may be -1";
    if (argument.number == -1)
      open = shape.size() - 1;
    else if (argument.number < 1)
      return error(argument.offset) << "a dimension must be at least 1, or -1 for what remains";
    else
      fits &= !llvm::MulOverflow(known, argument.number, known);
  }
  fits = fits && (open ? elements % known == 0 : elements == known);
  if (!fits)
    return error(offset) << "reshape of " << nn::shapeText(nn::shapeOf(input)) << " to "
                         << nn::shapeText(shape) << ": the numbers of elements differ";
  if (open)
    shape[*open] = elements / known;
  return nn::ReshapeOp::create(model.builder, locationAt(offset),
                               nn::tensorOf(model.context, shape), input)
      .getResult();
}

template <typename Op> FailureOr<Value> StepParser::resize(size_t offset, Arguments arguments) {
  constexpr bool grows = std::is_same_v<Op, nn::PadOp>;
  Value input = arguments[0].value;
  ArrayRef<int64_t> from = nn::shapeOf(input);
  SmallVector<int64_t> to;
  for (const Argument &argument : arguments.drop_front())
    to.push_back(argument.number);
  bool fits = from.size() == to.size();
  for (auto [a, b] : llvm::zip(from, to))
    fits &= grows ? a <= b : a >= b && b >= 1;
  if (!fits)
    return error(offset) << (grows ? "pad" : "slice") << " of " << nn::shapeText(from) << " to "
                         << nn::shapeText(to) << ": takes " << from.size()
                         << " dimensions, none of them "
                         << (grows ? "smaller than before" : "larger than before or below 1");
  auto type = resultType(to, offset);
  if (failed(type))
    return failure();
  return Op::create(model.builder, locationAt(offset), *type, input).getResult();
}

FailureOr<Value> StepParser::call(StringRef function, size_t offset, Arguments arguments) {
  struct Function {
    StringRef name;
    size_t tensors;
    bool takesNumbers;
    FailureOr<Value> (StepParser::*build)(size_t, Arguments);
  };
  static constexpr Function functions[] = {
      {"matmul", 2, false, &StepParser::matmul},
      {"batch_matmul", 2, false, &StepParser::batchMatmul},
      {"transpose", 1, true, &StepParser::transpose},
      {"reshape", 1, true, &StepParser::reshape},
      {"pad", 1, true, &StepParser::resize<nn::PadOp>},
      {"slice", 1, true, &StepParser::resize<nn::SliceOp>},
  };
  static constexpr std::pair<StringRef, spec::Activation> activations[] = {
      {"relu", spec::Activation::Relu},
      {"gelu", spec::Activation::Gelu},
      {"gelu_tanh", spec::Activation::GeluTanh},
  };
  std::vector<std::string> names;
  for (const Function &known : functions) {
    if (known.name == function)
      return failed(checkArity(function, offset, arguments, known.tensors, known.takesNumbers))
                 ? FailureOr<Value>(failure())
                 : (this->*known.build)(offset, arguments);
    names.push_back(known.name.str());
  }
  for (auto [name, activation] : activations) {
    if (name == function)
      return failed(checkArity(function, offset, arguments, 1, false))
                 ? FailureOr<Value>(failure())
                 : createActivation(model, locationAt(offset), activation, arguments[0].value);
    names.push_back(name.str());
  }
  InFlightDiagnostic diagnostic = error(offset);
  diagnostic << "there is no function '" << function << "'; ";
  if (auto nearest = nearestName(function, names))
    return diagnostic << "did you mean '" << *nearest << "'?";
  return diagnostic << "known: " << llvm::join(names, ", ");
}

} // namespace danaus::import
