// Why kernels are not one: every reason that a fusing pass has, in the words that users read. The
// passes decide by these (None: fuse), and --emit=fusion asks the same functions.
#pragma once

#include "llvm/ADT/StringRef.h"

namespace danaus {

enum class Obstacle {
  None,
  // What a kernel is, wherever it stands (ChainRules.h).
  SumsOverRows,
  SumsOverTokens,
  NeedsTokens,
  MovesElements,
  NeedsBatch,
  NeedsGradients,
  ByColumns,
  OtherOrder,
  OneForSeveral,
  // Between a kernel and a chain (ChainRules.h).
  OtherRows,
  OtherShape,
  WholeOperand,
  Between,
  ComputedAgain,
  // Between a contraction and what could be its epilogue (EpilogueRules.h).
  ProductInOtherOrder,
  NeedsWholeRows,
  ResultOfOtherShape,
  NeededBefore,
  // On GPUs (FormBlockChains.cpp).
  NoContraction,
  NotTheLeftOperand,
  AnotherReader,
  NoRoom,
  LaunchIsCheaper,
};

/// Said of the kernel that reads: "sums over rows".
llvm::StringRef describe(Obstacle obstacle);

} // namespace danaus
