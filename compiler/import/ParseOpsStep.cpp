// See OpsStep.h: the text of a step.
#include "compiler/import/OpsStep.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace danaus::import {

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

} // namespace danaus::import
