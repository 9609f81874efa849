// What the ranks of a job do together in a step, and when: from the order in which the backward
// pass is done with the gradients to all-reduces that run beside it (Buckets.h decides how many).
// Where updates are sharded (nn.shards), to reduce-scatters, and to all-gathers behind the update.
#pragma once

#include "compiler/lower/Buckets.h"
#include "compiler/lower/Stages.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"

#include <string>

namespace danaus {

/// A gradient that an update reads.
struct Gradient {
  kernel::UpdateOp update;
  size_t index;         ///< of its parameter there
  int64_t bytes, ready; ///< in the arena; stages after which it can be added up over the ranks
  std::string name;     ///< of its parameter
};

/// Those that `update` reads, in the order of their run of the arena: of one kernel.update after
/// the other, in the order in which `backward` is done with them, which makes them and reads them
/// for others. `backward` is the same step, or the one that returns the sums that `update` takes.
llvm::SmallVector<Gradient> gradientsOf(mlir::func::FuncOp update, mlir::func::FuncOp backward);

/// Neighbouring gradients, their parameters and, of a rank, their states, as they lie in the arena.
struct Bucket {
  size_t begin, end; ///< of the gradients
  std::string name;  ///< "first to last"
  std::string gradientName;
  int64_t ready = 0;
  int64_t parameters = 0, gradients = 0, bytes = 0; ///< offsets, and the bytes of either run
  llvm::SmallVector<int64_t> states = {};           ///< where sharded: offsets of a rank's part
};

/// Buckets of at most `mostBytes`, or of one gradient; their places are to be filled in.
/// Apart: none has gradients of two updates.
enum class Updates { Together, Apart };
llvm::SmallVector<Bucket> cutGradients(mlir::func::FuncOp backward,
                                       llvm::ArrayRef<Gradient> gradients, int64_t mostBytes,
                                       Updates updates, const StepRates &rates);

/// What begins when `ready` stages are done, and must be done before stage `deadline`.
struct PlannedCollective {
  plan::CollectiveKind kind;
  int64_t offset, elements, ready;
  int64_t deadline = INT64_MAX; ///< that: before the program ends
  std::string label;
};

/// The first stage, not before `ready`, that reads gradients, or metrics, of all ranks; INT64_MAX:
/// none.
int64_t deadlineOf(int64_t ready, const Stages &stages);

} // namespace danaus
