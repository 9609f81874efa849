// How the operands of a contraction on tensor cores lie in memory, which says how they come.
#pragma once

#include "compiler/target/cuda/ContractPlace.h"
#include "compiler/target/cuda/TilePlaces.h"

namespace danaus::cuda {

/// How an operand of a contraction on tensor cores comes: device/mma.cuh.
enum class Form { Elements, RunsOfK, RunsOfRows, Interleaved, Scratch };

/// As device/mma.cuh calls it.
llvm::StringRef nameOf(Form form);

/// Elements that cp.async copies at a time.
constexpr int64_t RunElements = 8;

/// What the offset of `place` changes by from 0 to `index` along `dim`.
inline int64_t along(const ContractPlace &place, unsigned dim, int64_t index = 1) {
  return valueAt(place.operand.access.offset, dim, index);
}

Form lhsForm(kernel::ContractOp op, const ContractPlace &lhs);
Form rhsForm(kernel::ContractOp op, const ContractPlace &rhs);

} // namespace danaus::cuda
