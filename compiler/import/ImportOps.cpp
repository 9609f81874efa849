// `ops:` a layer written out from primitives. A step is
//   name '=' sum        sum := term ('+' term)*
//   term := name | '(' sum ')' | function '(' sum (',' sum)* (',' integer)* ')'
// Shapes count the batch as their first dimension. Errors point into the step.
#include "compiler/import/ModelContext.h"
#include "runtime/base/Nearest.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::import;
using spec::Mark;

namespace {
/// The names of one block, in the order of their definition.
class Symbols {
public:
  struct Symbol {
    std::string name, kind; ///< kind: "input", "parameter", "value"
    Value value;
    Mark mark;
    bool used = false;
  };

  LogicalResult define(const ModelContext &model, Symbol symbol) {
    auto [slot, isNew] = index.try_emplace(symbol.name, list.size());
    if (!isNew) {
      InFlightDiagnostic error = model.error(symbol.mark);
      error << "'" << symbol.name << "' is defined twice";
      error.attachNote(model.locationOf(list[slot->second].mark)) << "the first is here";
      return failure();
    }
    list.push_back(std::move(symbol));
    return success();
  }

  FailureOr<Value> use(const ModelContext &model, StringRef name, Mark mark) {
    auto found = index.find(name);
    if (found != index.end()) {
      list[found->second].used = true;
      return list[found->second].value;
    }
    InFlightDiagnostic error = model.error(mark);
    error << "'" << name << "' is not defined";
    std::vector<std::string> names;
    for (const Symbol &symbol : list)
      names.push_back(symbol.name);
    if (auto nearest = nearestName(name, names))
      return error << "; did you mean '" << *nearest << "'?";
    return error << "; known here: " << llvm::join(names, ", ");
  }

  /// A value without a use has no gradient: it is a mistake, not a nuisance.
  LogicalResult checkUses(const ModelContext &model, StringRef layer) const {
    for (const Symbol &symbol : list)
      if (!symbol.used)
        return model.error(symbol.mark)
               << symbol.kind << " '" << symbol.name << "' of layer " << layer << " is never used";
    return success();
  }

private:
  std::vector<Symbol> list;
  llvm::StringMap<size_t> index;
};

/// An argument of a function: a tensor, or a number where `value` is null.
struct Argument {
  Value value;
  int64_t number = 0;
  size_t offset = 0;
};

/// Parses one step and builds its operations on the way.
class StepParser {
public:
  StepParser(ModelContext &model, Symbols &symbols, StringRef layer,
             const spec::At<std::string> &step)
      : model(model), symbols(symbols), layer(layer), text(step.value), start(step.mark) {}

  LogicalResult parse();

private:
  using Arguments = ArrayRef<Argument>;
  /// Deeper nesting is refused, so that no input can exhaust the stack.
  static constexpr unsigned maxDepth = 64;

  // Text.
  Mark markAt(size_t offset) const {
    Mark mark = start;
    mark.column += unsigned(offset);
    return mark;
  }
  InFlightDiagnostic error(size_t offset) const { return model.error(markAt(offset)); }
  Location locationAt(size_t offset) const { return model.locationOf(layer, markAt(offset)); }
  void skipSpace() { position = std::min(text.find_first_not_of(" \t\n", position), text.size()); }
  bool consume(char c);
  LogicalResult expect(char c, StringRef after);
  StringRef identifier();
  /// What stands at the position, for "expected ..., found ...".
  std::string found() const;

  // Grammar.
  FailureOr<Value> parseSum(unsigned depth);
  FailureOr<Value> parseTerm(unsigned depth);
  FailureOr<SmallVector<Argument>> parseArguments(unsigned depth, StringRef function);
  FailureOr<Argument> parseArgument(unsigned depth);

  // Functions.
  FailureOr<Value> call(StringRef function, size_t offset, Arguments arguments);
  LogicalResult checkArity(StringRef function, size_t offset, Arguments arguments, size_t tensors,
                           bool takesNumbers);
  FailureOr<Value> add(size_t offset, Value left, Value right);
  FailureOr<Value> matmul(size_t offset, Arguments arguments);
  FailureOr<Value> batchMatmul(size_t offset, Arguments arguments);
  FailureOr<Value> transpose(size_t offset, Arguments arguments);
  FailureOr<Value> reshape(size_t offset, Arguments arguments);
  /// pad and slice: the same but for the direction.
  template <typename Op> FailureOr<Value> resize(size_t offset, Arguments arguments);
  FailureOr<RankedTensorType> resultType(ArrayRef<int64_t> shape, size_t offset) {
    return model.tensorOf(shape, {markAt(offset)}, "the result");
  }

  ModelContext &model;
  Symbols &symbols;
  StringRef layer, text;
  Mark start;
  size_t position = 0;
};

bool StepParser::consume(char c) {
  skipSpace();
  if (position >= text.size() || text[position] != c)
    return false;
  ++position;
  return true;
}

std::string StepParser::found() const {
  return position < text.size() ? "'" + text.substr(position, 1).str() + "'"
                                : "the end of the step";
}

LogicalResult StepParser::expect(char c, StringRef after) {
  if (consume(c))
    return success();
  return error(position) << "expected '" << Twine(c) << "' " << after << ", found " << found();
}

StringRef StepParser::identifier() {
  skipSpace();
  if (position < text.size() && llvm::isDigit(text[position]))
    return {};
  size_t begin = position;
  while (position < text.size() && (llvm::isAlnum(text[position]) || text[position] == '_'))
    ++position;
  return text.slice(begin, position);
}

LogicalResult StepParser::parse() {
  skipSpace();
  size_t nameOffset = position;
  StringRef name = identifier();
  if (name.empty())
    return error(position) << "expected a step 'name = expression', found " << found();
  if (failed(expect('=', "after the step's name")))
    return failure();
  FailureOr<Value> value = parseSum(0);
  if (failed(value))
    return failure();
  skipSpace();
  if (position < text.size())
    return error(position) << "expected '+' or the end of the step, found " << found();
  return symbols.define(model, {name.str(), "value", *value, markAt(nameOffset)});
}

FailureOr<Value> StepParser::parseSum(unsigned depth) {
  if (depth > maxDepth)
    return error(position) << "more than " << maxDepth << " levels of parentheses";
  FailureOr<Value> sum = parseTerm(depth);
  while (succeeded(sum)) {
    skipSpace();
    size_t plus = position;
    if (!consume('+'))
      break;
    FailureOr<Value> right = parseTerm(depth);
    if (failed(right))
      return failure();
    sum = add(plus, *sum, *right);
  }
  return sum;
}

FailureOr<Value> StepParser::parseTerm(unsigned depth) {
  if (consume('(')) {
    FailureOr<Value> sum = parseSum(depth + 1);
    if (failed(sum) || failed(expect(')', "to close the parenthesis")))
      return failure();
    return sum;
  }
  skipSpace();
  size_t offset = position;
  StringRef name = identifier();
  if (name.empty())
    return error(position) << "expected a name or a function, found " << found();
  if (!consume('('))
    return symbols.use(model, name, markAt(offset));
  auto arguments = parseArguments(depth + 1, name);
  if (failed(arguments))
    return failure();
  return call(name, offset, *arguments);
}

FailureOr<SmallVector<Argument>> StepParser::parseArguments(unsigned depth, StringRef function) {
  SmallVector<Argument> arguments;
  do {
    FailureOr<Argument> argument = parseArgument(depth);
    if (failed(argument))
      return failure();
    arguments.push_back(*argument);
  } while (consume(','));
  if (failed(expect(')', "or ',' after an argument of " + function.str())))
    return failure();
  return arguments;
}

FailureOr<Argument> StepParser::parseArgument(unsigned depth) {
  skipSpace();
  Argument argument;
  argument.offset = position;
  StringRef rest = text.drop_front(position);
  if (!rest.starts_with("-") && (rest.empty() || !llvm::isDigit(rest.front()))) {
    FailureOr<Value> value = parseSum(depth);
    if (failed(value))
      return failure();
    argument.value = *value;
    return argument;
  }
  size_t length = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
  if (rest.take_front(length).getAsInteger(10, argument.number))
    return error(position) << "'" << rest.take_front(length) << "' is not an integer in range";
  position += length;
  return argument;
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

/// "1 tensor", "2 tensors".
std::string counted(size_t count, StringRef noun) {
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
} // namespace

FailureOr<Value> danaus::import::importOps(ModelContext &model, const spec::Layer &layer,
                                           StringRef name, Value input) {
  const spec::OpsBlock &block = layer.ops;
  if (block.inputs.size() != 1)
    return model.error(layer.mark) << "layer " << name << " has " << block.inputs.size()
                                   << " inputs; an ops block takes one, the result of the layer "
                                      "before it";
  Symbols symbols;
  if (failed(symbols.define(model, {block.inputs[0].value, "input", input, block.inputs[0].mark})))
    return failure();
  for (const spec::OpsBlock::Parameter &parameter : block.parameters) {
    ArrayRef<int64_t> shape = parameter.shape.value;
    Init init = shape.size() >= 2 ? Init::fanIn(shape.back()) : Init();
    auto value = model.addParameter(name + "." + parameter.name, shape, init, parameter.shape.mark);
    if (failed(value) ||
        failed(symbols.define(model, {parameter.name, "parameter", *value, parameter.shape.mark})))
      return failure();
  }
  for (const spec::At<std::string> &step : block.steps)
    if (failed(StepParser(model, symbols, name, step).parse()))
      return failure();
  FailureOr<Value> output = symbols.use(model, block.output.value, block.output.mark);
  if (failed(output) || failed(symbols.checkUses(model, name)))
    return failure();
  ArrayRef<int64_t> shape = nn::shapeOf(*output);
  if (shape.empty() || shape[0] != nn::shapeOf(input)[0])
    return model.error(block.output.mark)
           << "'" << block.output.value << "' is " << nn::shapeText(shape)
           << "; a layer's result begins with the batch, " << nn::shapeOf(input)[0];
  return output;
}
