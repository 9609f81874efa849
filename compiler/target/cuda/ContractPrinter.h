// The struct in CUDA C++ that says what one contraction reads, in which order, and stores: the
// templates of device/ are made for it.
#pragma once

#include "compiler/target/cuda/EmitKernels.h"

#include "llvm/ADT/MapVector.h"

namespace danaus::cuda {

/// Where a value of a chain lies in shared memory: rows of the block, `stride` elements apart,
/// columns that differ by multiples of `group` side by side.
struct ScratchPlace {
  unsigned number = 0;
  int64_t columns = 0, stride = 0, group = 1;
  std::string name() const { return "scratch" + std::to_string(number); }
};
using Scratch = llvm::MapVector<mlir::Value, ScratchPlace>;

/// Prints the struct `structName` of a contraction with its tile set; returns the struct with its
/// members, as an expression. `pointerOf` is empty for what never leaves a chain; what is in
/// `scratch` lies in shared memory.
mlir::FailureOr<std::string> printContract(Lines &lines, kernel::ContractOp op,
                                           llvm::StringRef structName, PointerOf pointerOf,
                                           const Scratch &scratch);

} // namespace danaus::cuda
