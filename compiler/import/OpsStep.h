// One step of an `ops:` block, by recursive descent. A step is
//   name '=' sum        sum := term ('+' term)*
//   term := name | '(' sum ')' | function '(' sum (',' sum)* (',' integer)* ')'
// Shapes count the batch as their first dimension. Errors point into the step.
#pragma once

#include "compiler/import/ModelContext.h"

namespace danaus::import {

/// The names of one block, in the order of their definition.
class Symbols {
public:
  struct Symbol {
    std::string name, kind; ///< kind: "input", "parameter", "value"
    mlir::Value value;
    spec::Mark mark;
    bool used = false;
  };

  /// Failure, with an error at both places, where the name is taken.
  mlir::LogicalResult define(const ModelContext &model, Symbol symbol);
  /// Failure, with an error that names the nearest one, where there is none such.
  mlir::FailureOr<mlir::Value> use(const ModelContext &model, llvm::StringRef name,
                                   spec::Mark mark);
  /// A value without a use has no gradient: it is a mistake, not a nuisance.
  mlir::LogicalResult checkUses(const ModelContext &model, llvm::StringRef layer) const;

private:
  std::vector<Symbol> list;
  llvm::StringMap<size_t> index;
};

/// An argument of a function: a tensor, or a number where `value` is null.
struct Argument {
  mlir::Value value;
  int64_t number = 0;
  size_t offset = 0;
};

/// Parses one step and builds its operations on the way.
class StepParser {
public:
  StepParser(ModelContext &model, Symbols &symbols, llvm::StringRef layer,
             const spec::At<std::string> &step)
      : model(model), symbols(symbols), layer(layer), text(step.value), start(step.mark) {}

  mlir::LogicalResult parse();

private:
  using Arguments = llvm::ArrayRef<Argument>;
  /// Deeper nesting is refused, so that no input can exhaust the stack.
  static constexpr unsigned maxDepth = 64;

  // Text.
  spec::Mark markAt(size_t offset) const {
    spec::Mark mark = start;
    mark.column += unsigned(offset);
    return mark;
  }
  mlir::InFlightDiagnostic error(size_t offset) const { return model.error(markAt(offset)); }
  mlir::Location locationAt(size_t offset) const { return model.locationOf(layer, markAt(offset)); }
  void skipSpace() { position = std::min(text.find_first_not_of(" \t\n", position), text.size()); }
  bool consume(char c);
  mlir::LogicalResult expect(char c, llvm::StringRef after);
  llvm::StringRef identifier();
  /// What stands at the position, for "expected ..., found ...".
  std::string found() const;

  // Grammar.
  mlir::FailureOr<mlir::Value> parseSum(unsigned depth);
  mlir::FailureOr<mlir::Value> parseTerm(unsigned depth);
  mlir::FailureOr<llvm::SmallVector<Argument>> parseArguments(unsigned depth,
                                                              llvm::StringRef function);
  mlir::FailureOr<Argument> parseArgument(unsigned depth);

  // Functions.
  mlir::FailureOr<mlir::Value> call(llvm::StringRef function, size_t offset, Arguments arguments);
  mlir::LogicalResult checkArity(llvm::StringRef function, size_t offset, Arguments arguments,
                                 size_t tensors, bool takesNumbers);
  mlir::FailureOr<mlir::Value> add(size_t offset, mlir::Value left, mlir::Value right);
  mlir::FailureOr<mlir::Value> matmul(size_t offset, Arguments arguments);
  mlir::FailureOr<mlir::Value> batchMatmul(size_t offset, Arguments arguments);
  mlir::FailureOr<mlir::Value> transpose(size_t offset, Arguments arguments);
  mlir::FailureOr<mlir::Value> reshape(size_t offset, Arguments arguments);
  /// pad and slice: the same but for the direction.
  template <typename Op> mlir::FailureOr<mlir::Value> resize(size_t offset, Arguments arguments);
  mlir::FailureOr<mlir::RankedTensorType> resultType(llvm::ArrayRef<int64_t> shape, size_t offset) {
    return model.tensorOf(shape, {markAt(offset)}, "the result");
  }

  ModelContext &model;
  Symbols &symbols;
  llvm::StringRef layer, text;
  spec::Mark start;
  size_t position = 0;
};

} // namespace danaus::import
