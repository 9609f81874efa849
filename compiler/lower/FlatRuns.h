// The flat runs of the arena: parameters, their gradients and each state of the optimizer, in one
// order, so that an update is one launch; and what follows from it for several ranks: what they
// add up together, and where updates are sharded (nn.shards) the part of each of them.
#pragma once

#include "compiler/lower/Collectives.h"
#include "compiler/lower/Layout.h"

namespace danaus {

/// Where values lie in the arena.
using Places = llvm::DenseMap<mlir::Value, int64_t>;

struct FlatRuns {
  int64_t shards = 1; ///< ranks that share an update
  llvm::SmallVector<Gradient> gradients;
  llvm::SmallVector<Bucket> buckets; ///< of them; each is padded so that shards are equal
  int64_t bytes = 0;                 ///< of all parameters

  bool isSharded() const { return shards > 1; }
};

/// Places parameters, gradients and states of the step that updates, and what an update makes of
/// them. Parameters and gradients have equal relative offsets in their runs. Of states that are
/// sharded there is one rank's part of each bucket, at which all states of the bucket are placed;
/// partial norms are made as many as one set for each bucket.
FlatRuns placeRuns(mlir::func::FuncOp train, mlir::func::FuncOp backward, const StepRates &rates,
                   Arena &arena, Places &places);

/// What the ranks of a job do together in a step, in the order in which it begins: with gradients
/// where it makes them; with the loss and hits of the batch, and what else an update needs, where
/// it updates.
llvm::SmallVector<PlannedCollective> collectivesOf(mlir::func::FuncOp step, const Stages &stages,
                                                   const FlatRuns &runs, const Places &places);

/// One launch of an update or a norm.
struct FlatPart {
  size_t index = 0;       ///< of the first parameter, in the update
  mlir::Value gradient;   ///< the first
  int64_t elements = 0;   ///< of each tensor
  int64_t norms = 0;      ///< partial sums of a norm
  int64_t normOffset = 0; ///< of them, in bytes
  int64_t stride = 0;     ///< bytes from rank to rank; 0: all ranks do the same
  std::string label;
};

/// The launches of a kernel.update or kernel.square_norm: one on the whole run, on a CPU several
/// of an update, or a rank's part of each bucket.
llvm::SmallVector<FlatPart> partsOf(mlir::Operation *op, const FlatRuns &runs, Processor processor);

} // namespace danaus
