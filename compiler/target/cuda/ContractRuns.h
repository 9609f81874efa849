// How the results of a contraction on tensor cores leave registers: the store of Op in
// device/contract_mma.cuh, many neighbours at a time.
#pragma once

#include "compiler/lower/BlockCost.h"
#include "compiler/target/cuda/ContractPlace.h"

namespace danaus::cuda {

struct RunsOfResults {
  kernel::ContractOp op;
  BlockTile tile;
  llvm::ArrayRef<ContractPlace> extras;               ///< what the epilogue reads
  llvm::ArrayRef<std::vector<ContractPlace>> results; ///< where each is stored
  bool rhsIsTransposed;                               ///< Form::RunsOfRows

  /// Prints ResultOrder, Run, Columns, findColumns and, where runs are whole, store, and answers
  /// whether it did. `inOrderOfN`: neighbours n lie side by side, not those of a group. `hasFailed`
  /// becomes true where the epilogue has no code.
  bool print(Lines &lines, bool inOrderOfN, bool &hasFailed);

private:
  bool isOfColumns(const ContractPlace &extra);
  void printColumns(Lines &lines, ResultRun run);
  void printStore(Lines &lines, ResultRun run, bool &hasFailed);
  int64_t columns() { return op.getSizes()[op.getN()]; }
};

} // namespace danaus::cuda
