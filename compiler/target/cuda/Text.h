// CUDA C++ as text: lines with indentation, index expressions, scalar regions. What the emitters of
// all kernel classes share; knows nothing of a class.
#pragma once

#include "compiler/lower/Access.h"
#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <string>

namespace danaus::cuda {

/// Lines of code; every line ends where it is added.
class Lines {
public:
  explicit Lines(unsigned depth = 0) : depth(depth) {}

  void add(const llvm::Twine &line) {
    text.append(2 * depth, ' ');
    text += line.str();
    text += '\n';
  }
  void blank() { text += '\n'; }
  /// Adds `head {`, what `body` adds, one step further in, and `}`.
  void block(const llvm::Twine &head, llvm::function_ref<void()> body, llvm::StringRef end = "}") {
    add(head.isTriviallyEmpty() ? llvm::Twine("{") : head + " {");
    ++depth;
    body();
    --depth;
    add(end);
  }
  std::string take() { return std::move(text); }

private:
  std::string text;
  unsigned depth;
};

using Names = llvm::ArrayRef<std::string>;

/// A sum of terms over dimensions called `names`, as an int expression.
std::string printSum(const AccessSum &sum, Names names);

/// A tensor in global memory, or one in shared memory, as a kernel's code reaches it.
struct Operand {
  std::string pointer; ///< the name of a pointer to its first element
  Access access;
  mlir::Type element;

  /// How its element's values are called in code: float, int, bf16, f16.
  llvm::StringRef type() const;
  std::string place(Names names) const { return printSum(access.offset, names); }
  /// The condition under which the place is inside; empty where it always is.
  std::string guard(Names names) const;
  /// Its element, 0 outside.
  std::string load(Names names) const;
  /// A statement that stores `value`, dropped outside.
  std::string store(Names names, const llvm::Twine &value) const;
};

/// `map` from an iteration space of `sizes` to elements of `tensor`. Maps that no pass makes are
/// reported as errors on `op`.
mlir::FailureOr<Operand> operandOf(mlir::Operation *op, llvm::StringRef pointer, mlir::Value tensor,
                                   mlir::AffineMap map, llvm::ArrayRef<int64_t> sizes);

/// The type of a scalar in CUDA C++.
llvm::StringRef typeName(mlir::Type type);

/// A float32 number that reads back to the same bits.
std::string printNumber(double value);

/// Prints scalar operations one by one, each as a constant with a name.
class ScalarPrinter {
public:
  explicit ScalarPrinter(Lines &lines, llvm::StringRef prefix = "t")
      : lines(lines), prefix(prefix) {}

  /// Lets `value` be written as `text` from now on.
  void name(mlir::Value value, const llvm::Twine &text) { names[value] = text.str(); }
  /// Lets `value` be computed as `text`, where it is first needed.
  void define(mlir::Value value, const llvm::Twine &text) { definitions[value] = text.str(); }
  /// The name of a value, after printing all that it needs and that has no name yet.
  std::string use(mlir::Value value);
  /// An operation that no target prints was met.
  bool failed() const { return hasFailed; }

private:
  /// The expression that an operation computes, its operands in use.
  std::string expression(mlir::Operation &op);

  Lines &lines;
  std::string prefix;
  unsigned count = 0;
  bool hasFailed = false;
  llvm::DenseMap<mlir::Value, std::string> names, definitions;
};

/// "fc1, loss (model.yaml:12, 13)": the layers and lines of the spec that a location names.
std::string describe(mlir::Location loc);

} // namespace danaus::cuda
