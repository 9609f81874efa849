// What a step adds up over the ranks of a job, and when: from the order in which the backward pass
// is done with the gradients to all-reduces that run beside it (Buckets.h decides how many).
#pragma once

#include "compiler/lower/Buckets.h"
#include "compiler/lower/Stages.h"

#include <string>

namespace danaus {

/// Gradients, and how many stages are done when they can be added up over the ranks.
using ReadyStages = llvm::MapVector<mlir::Value, int64_t>;

/// The stages of `backward` that must be done before a gradient that `update` reads can be added
/// up: those that make it, and those that read it for other gradients. `backward` is the same step,
/// or the one that returns the sums that `update` takes.
ReadyStages readyStages(mlir::func::FuncOp update, mlir::func::FuncOp backward);

/// The place of a gradient in the arena.
struct GradientPlace {
  int64_t offset, bytes, ready; ///< `ready`: stages that are done then
  std::string name;             ///< of its parameter
};

struct AllReduce {
  int64_t offset, elements, ready;
  std::string label;
};

/// The gradients, in the order of their run of the arena, as all-reduces of at most `mostBytes`.
llvm::SmallVector<AllReduce> cutGradients(mlir::func::FuncOp backward,
                                          llvm::ArrayRef<GradientPlace> gradients,
                                          int64_t mostBytes, const StepRates &rates);

/// The stage before which an all-reduce must be done: the first that reads gradients, or metrics,
/// of all ranks; INT64_MAX: the end of the program.
int64_t deadlineOf(const AllReduce &reduce, const Stages &stages);

} // namespace danaus
