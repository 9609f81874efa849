// Where elements come from: a chain of reshape, transpose, pad and slice as a function from an
// element of its result to the element of its input. Recognition decides by this function, not by
// how the chain is written.
#pragma once

#include "dialects/nn/NN.h"

#include <optional>
#include <vector>

namespace danaus::recognise {

/// Whether the operation only moves elements, so that a chain may contain it.
bool movesElements(mlir::Operation *op);

/// A chain of movements between two values.
class ElementMovement {
public:
  /// The chain from `from` to `to`, where every operation on the way back from `to` moves elements;
  /// nothing where the way does not meet `from`.
  static std::optional<ElementMovement> between(mlir::Value from, mlir::Value to);

  llvm::ArrayRef<int64_t> inputShape() const { return input; }
  llvm::ArrayRef<int64_t> resultShape() const {
    return steps.empty() ? llvm::ArrayRef<int64_t>(input) : steps.back().result;
  }

  /// Where dimension `inputRows` stays a dimension of its own through the whole chain and ends as
  /// `resultRows`, reduces it to size 1 in all shapes: what holds for one row then holds for each.
  /// Otherwise changes nothing, and the caller looks at all rows.
  void dropRows(unsigned inputRows, unsigned resultRows);

  /// The index in the input of the element at this index of the result; nothing where it is a
  /// padding zero.
  std::optional<llvm::SmallVector<int64_t>> sourceOf(llvm::ArrayRef<int64_t> index) const;

private:
  struct Step {
    enum Kind { Reshape, Transpose, Resize } kind;
    llvm::SmallVector<int64_t> input, result, permutation;
    llvm::SmallVector<int64_t> shift; ///< of Resize: element i of the input is i + shift
  };

  /// The dimension of the step's result that dimension `rows` of its input is, untouched.
  static std::optional<unsigned> follow(const Step &step, unsigned rows);

  llvm::SmallVector<int64_t> input;
  std::vector<Step> steps; // from input to result
};

} // namespace danaus::recognise
