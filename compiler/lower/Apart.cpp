// See Apart.h. Looks at a step after the fusing passes: what they could still fuse, they would
// have.
#include "compiler/lower/Apart.h"

#include "compiler/lower/ChainRules.h"
#include "compiler/lower/EpilogueRules.h"
#include "compiler/lower/FusionRecord.h"
#include "compiler/lower/Layout.h"
#include "compiler/lower/Stages.h"
#include "dialects/nn/NN.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace danaus;

namespace {

/// A kernel's result as the operation inside of it makes it.
Value valueInside(OpResult result) {
  auto chain = dyn_cast<kernel::ChainOp>(result.getOwner());
  return chain ? chain.getBody().front().getTerminator()->getOperand(result.getResultNumber())
               : Value(result);
}

/// What stands after a kernel, as a search for more members of it sees it: values that depend on
/// it by way of others, each with the kernel that makes it.
class Followers {
public:
  explicit Followers(Operation *kernel) {
    inside.insert_range(kernel->getResults());
    for (Operation *op = kernel->getNextNode(); op; op = op->getNextNode()) {
      for (Operation *leaf : membersOf(op))
        if (llvm::any_of(leaf->getOperands(), [&](Value v) { return depends(v); }))
          for (Value result : leaf->getResults())
            taintedBy[result] = movesNothing(op) ? rootOf(result).getDefiningOp() : op;
      if (isa<kernel::ChainOp>(op))
        for (OpResult result : op->getResults())
          if (depends(valueInside(result)))
            taintedBy[result] = op;
    }
  }

  /// The kernel by way of which `reader`, of kernel `own`, depends on this one besides directly;
  /// null: none.
  Operation *between(Operation *reader, Operation *own) const {
    for (Value operand : reader->getOperands()) {
      Operation *kernel = taintedBy.lookup(operand);
      if (kernel == own && reader != own) // a member of the same chain: what does that one read?
        kernel = between(operand.getDefiningOp(), own);
      if (kernel)
        return kernel;
    }
    return nullptr;
  }

  DenseSet<Value> inside;

private:
  bool depends(Value value) const { return inside.contains(value) || taintedBy.contains(value); }

  DenseMap<Value, Operation *> taintedBy;
};

class Explainer {
public:
  explicit Explainer(const std::optional<GpuShape> &gpu) : gpu(gpu) {}

  /// Why `reader`, in kernel `to`, is not in `from`, of which it reads `value`, in memory `root`.
  Apart explain(Operation *from, Operation *to, Operation *reader, Value value, OpResult root) {
    Apart apart{*numberOf(from), *numberOf(to), ""};
    Operation *maker = valueInside(root).getDefiningOp();
    if (auto late = obstacleToChains(*reader); late != Obstacle::None)
      apart.reason = describe(late);
    else if (auto early = obstacleToChains(*maker); early != Obstacle::None)
      apart.reason = "that one " + describe(early).str();
    else
      explainRows(from, to, reader, value, *maker, apart);
    return apart;
  }

private:
  /// Both have rows.
  void explainRows(Operation *from, Operation *to, Operation *reader, Value value, Operation &maker,
                   Apart &apart) {
    if (gpu && !isa<kernel::ContractOp>(reader))
      return explainEpilogue(maker, reader, value, apart);
    if (gpu && !isa<kernel::ContractOp>(maker)) {
      apart.reason = "that one " + describe(Obstacle::NoContraction).str();
      return;
    }
    for (Value v = value; movesNothing(v.getDefiningOp()); v = v.getDefiningOp()->getOperand(0))
      if (isa<nn::AfterOp>(v.getDefiningOp())) {
        apart.reason = describe(Obstacle::ComputedAgain);
        return;
      }
    int64_t rows = *rowsOf(maker), own = *rowsOf(*reader);
    if (own != rows) {
      apart.reason =
          llvm::formatv("{0}: {1} here, {2} there", describe(Obstacle::OtherRows), own, rows);
      return;
    }
    if (movesNothing(value.getDefiningOp())) {
      apart.reason = describe(Obstacle::OtherShape);
      return;
    }
    const Followers &followers = followersOf(from);
    if (auto joining = obstacleToJoining(*reader, rows, followers.inside);
        joining != Obstacle::None)
      apart.reason = describe(joining);
    else if (Operation *between = followers.between(reader, to)) {
      apart.via = numberOf(between).value_or(-1);
      apart.reason = describe(Obstacle::Between);
    } else if (gpu)
      explainGrowth(from, cast<kernel::ContractOp>(reader), value, apart);
  }

  /// Of a row kernel on a GPU, where it could be an epilogue.
  static void explainEpilogue(Operation &maker, Operation *reader, Value value, Apart &apart) {
    Obstacle obstacle = Obstacle::NoContraction;
    auto contract = dyn_cast<kernel::ContractOp>(maker);
    auto row = cast<kernel::RowOp>(reader);
    for (auto [i, input] : llvm::enumerate(row.getInputs()))
      if (contract && input == value)
        if (Obstacle own = obstacleToEpilogue(contract, row, i); own != Obstacle::None)
          obstacle = own;
    apart.reason = describe(obstacle);
  }

  /// A chain of a GPU grows by a reader of its last product, where the model of costs lets it.
  static void explainGrowth(Operation *from, kernel::ContractOp reader, Value value, Apart &apart) {
    if (reader.getLhs() != value)
      apart.reason = describe(Obstacle::NotTheLeftOperand);
    else if (valueInside(cast<OpResult>(value)).getDefiningOp() == membersOf(from).back() &&
             !recordedRefusal(reader).empty())
      apart.reason = recordedRefusal(reader);
    else
      apart.reason = describe(Obstacle::AnotherReader);
  }

  const Followers &followersOf(Operation *kernel) {
    auto [slot, isNew] = followers.try_emplace(kernel);
    if (isNew)
      slot->second = std::make_unique<Followers>(kernel);
    return *slot->second;
  }

  std::optional<GpuShape> gpu;
  DenseMap<Operation *, std::unique_ptr<Followers>> followers;
};

} // namespace

std::vector<Apart> danaus::explainApart(func::FuncOp step, const std::optional<GpuShape> &gpu) {
  int64_t count = 0;
  for (Operation &op : step.front())
    if (isa<kernel::KernelDialect>(op.getDialect()))
      setNumber(&op, count++);
  Explainer explainer(gpu);
  std::vector<Apart> all;
  for (Operation &to : step.front()) {
    if (!numberOf(&to))
      continue;
    llvm::MapVector<Operation *, Apart> neighbours;
    DenseSet<Value> counted;
    for (Operation *reader : membersOf(&to))
      for (Value value : reader->getOperands()) {
        auto root = dyn_cast<OpResult>(rootOf(value));
        if (!root || root.getOwner()->getBlock() != &step.front())
          continue;
        Apart &apart = neighbours[root.getOwner()];
        if (apart.reason.empty()) {
          int64_t bytes = apart.bytes;
          apart = explainer.explain(root.getOwner(), &to, reader, value, root);
          apart.bytes = bytes;
        }
        if (counted.insert(root).second)
          apart.bytes += bytesOf(root.getType());
      }
    for (auto &[from, apart] : neighbours)
      all.push_back(std::move(apart));
  }
  return all;
}

StringRef danaus::reasonOfLatePass(Operation *maker, Operation *reader) {
  if (isa<kernel::CopyOp, kernel::PackOp>(reader))
    return "packs it for a product, which reads it in another order";
  if (isa<kernel::CopyOp, kernel::PackOp>(maker))
    return "reads it packed, once for all of its tiles";
  if (isa<kernel::ReduceOp>(reader))
    return "adds up the partial sums of its blocks";
  return "that one adds up partial sums";
}
