// Where a contraction's operands and results lie, as code: in global memory, or in a chain's shared
// memory; one element, or the run of them that a thread has.
#pragma once

#include "compiler/target/cuda/ContractPrinter.h"

#include <optional>

namespace danaus::cuda {

/// The results that a thread of the mma template has at a time: n, n + step, ..., `count` of them.
/// Its first ones are the multiples of `count`, or with a step the multiples of count * step and
/// the step - 1 after each.
struct ResultRun {
  int64_t count = 1, step = 1;
};

/// An operand, the names of the dimensions in its index, and its index in code.
struct ContractPlace {
  Operand operand;
  llvm::SmallVector<std::string> names;
  std::optional<ScratchPlace> scratch;
  unsigned rowDim = 0, columnDim = 0; ///< m and n

  /// The index of the element at a point.
  std::string index(Names at) const;
  std::string element(Names at) const { return operand.pointer + "[" + index(at) + "]"; }
  std::string load() const;
  std::string store(const llvm::Twine &value) const;

  /// How far the elements of every run lie from its first one, where that is always the same, and
  /// the power of two of elements (at most 8) that first ones are multiples of.
  struct Distances {
    llvm::SmallVector<int64_t> away;
    int64_t alignment = 1;
    bool isOne() const {
      return llvm::all_of(away, [](int64_t d) { return d == 0; });
    }
  };
  std::optional<Distances> distances(ResultRun run, int64_t columns) const;

private:
  /// The index of a column of scratch.
  int64_t scratchIndex(int64_t column) const;
};

/// Statements that move the elements of a run, e-th element called `values`[e], between registers
/// and memory, in accesses as wide as they can be; the run's first address is called `name`.
/// Elements whose distances differ from run to run are reached one by one.
void printRunLoad(Lines &lines, const ContractPlace &place, ResultRun run, int64_t columns,
                  llvm::StringRef values, llvm::StringRef name);
void printRunStore(Lines &lines, const ContractPlace &place, ResultRun run, int64_t columns,
                   llvm::StringRef values, llvm::StringRef name);

} // namespace danaus::cuda
