// See Obstacle.h.
#include "compiler/lower/Obstacle.h"

#include "llvm/Support/ErrorHandling.h"

llvm::StringRef danaus::describe(Obstacle obstacle) {
  switch (obstacle) {
  case Obstacle::None:
    return "";
  case Obstacle::SumsOverRows:
    return "sums over rows";
  case Obstacle::SumsOverTokens:
    return "sums over the tokens of a sample";
  case Obstacle::NeedsTokens:
    return "needs all tokens of a sample";
  case Obstacle::MovesElements:
    return "moves elements between rows";
  case Obstacle::NeedsBatch:
    return "needs the whole batch";
  case Obstacle::NeedsGradients:
    return "runs when all gradients are there";
  case Obstacle::ByColumns:
    return "has few rows for its weights, of which each thread reads some columns";
  case Obstacle::OtherOrder:
    return "has results in another order than its operand";
  case Obstacle::OneForSeveral:
    return "uses one row for several of its own";
  case Obstacle::OtherRows:
    return "has another number of rows";
  case Obstacle::OtherShape:
    return "reads it in another shape";
  case Obstacle::WholeOperand:
    return "needs all rows of it for each of its own";
  case Obstacle::Between:
    return "needs another kernel too, which runs between them";
  case Obstacle::ComputedAgain:
    return "waits until the backward pass needs it (train.recompute)";
  case Obstacle::ProductInOtherOrder:
    return "reads the product in another order";
  case Obstacle::NeedsWholeRows:
    return "needs whole rows of the product";
  case Obstacle::ResultOfOtherShape:
    return "has a result of another shape than the product";
  case Obstacle::NeededBefore:
    return "stands behind another kernel that reads the product";
  case Obstacle::NoContraction:
    return "is no product; GPU chains hold only products";
  case Obstacle::NotTheLeftOperand:
    return "reads it beside its rows, which come from elsewhere";
  case Obstacle::AnotherReader:
    return "is not the one reader of its last product that a GPU chain goes on with";
  case Obstacle::NoRoom:
    return "would need more shared memory than a block has";
  case Obstacle::LaunchIsCheaper:
    return "takes less time in a launch of its own, by the model of costs";
  }
  llvm_unreachable("no such obstacle");
}
