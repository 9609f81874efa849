// kernel-plan: from kernels on values to launches on places. Decides stages (what may run
// together), offsets (one arena for both programs) and makes every kernel a function.
#include "dialects/plan/Plan.h"
#include "compiler/Passes.h"
#include "compiler/lower/Buckets.h"
#include "compiler/lower/Layout.h"
#include "compiler/lower/Outline.h"
#include "compiler/lower/SpecPlaces.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "runtime/plan/Control.h"

#include "mlir/Transforms/RegionUtils.h"

#include <numeric>

namespace danaus {
#define GEN_PASS_DEF_KERNELPLAN
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// Kernels may read a little past the end of a buffer (whole vectors, padded blocks); never write
/// there.
constexpr int64_t Slack = 64 * 1024;

bool movesNothing(Operation *op) { return isa_and_nonnull<nn::ReshapeOp, nn::AfterOp>(op); }

/// The value whose memory `value` is.
Value rootOf(Value value) {
  while (movesNothing(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// Everything that an operation reads, memory roots; what its operands stand after (nn.after) is
/// read too, so that the operation has a later stage.
SmallVector<Value> readsOf(Operation *op) {
  llvm::SetVector<Value> values(op->getOperands().begin(), op->getOperands().end()), roots;
  getUsedValuesDefinedAbove(op->getRegions(), values);
  for (size_t i = 0; i < values.size(); ++i) {
    roots.insert(rootOf(values[i]));
    for (Value v = values[i]; movesNothing(v.getDefiningOp()); v = v.getDefiningOp()->getOperand(0))
      if (auto after = v.getDefiningOp<nn::AfterOp>())
        values.insert(after.getEarlier());
  }
  return roots.takeVector();
}

int64_t macsOf(Operation *op) {
  int64_t macs = 0;
  op->walk([&](kernel::ContractOp contract) { macs += contract.getMacs(); });
  if (auto attention = dyn_cast<kernel::AttentionOp>(op))
    macs += 2 * attention.getProductMacs();
  if (auto attention =
          dyn_cast<kernel::AttentionBackwardOp>(op)) // scores again, and four gradients
    macs += 5 * attention.getProductMacs();
  return macs;
}

/// Whether an operation belongs to the update, and so reads gradients of all ranks.
bool isOfUpdate(Operation *op) { return isa<kernel::UpdateOp, kernel::SquareNormOp>(op); }

class Planner {
public:
  Planner(ModuleOp module, const StepRates &rates)
      : module(module), builder(module.getContext()), outliner(module), rates(rates) {}

  LogicalResult run() {
    auto step = [&](StringRef name) { return module.lookupSymbol<func::FuncOp>(name); };
    func::FuncOp train = step("train_step"), eval = step("eval_step");
    func::FuncOp gradient = step("gradient_step"), update = step("update_step");
    if (!eval || (train ? gradient || update : !gradient || !update))
      return module.emitError("needs @eval_step and @train_step, or instead of this @gradient_step "
                              "and @update_step (nn-build-steps)");
    // The step that updates has every argument; the others have the first of them.
    func::FuncOp main = train ? train : update;
    separateGradients(main);
    placeParameters(main, gradient ? gradient : main);
    placeInterface(main);
    shareInterface(main, eval);
    SmallVector<func::FuncOp> steps{main, eval};
    if (gradient) {
      placeSums(main, gradient);
      steps.insert(steps.begin(), gradient);
    }
    int64_t activations = arena.size(), needed = 0;
    for (func::FuncOp step : steps)
      needed = std::max(needed, placeActivations(step, activations));
    arena.take(needed + Slack);
    for (func::FuncOp step : steps)
      if (failed(emitProgram(step)))
        return failure();
    for (func::FuncOp step : steps)
      step.erase();
    module->setAttr(plan::ArenaBytesAttr, builder.getI64IntegerAttr(arena.size()));
    return success();
  }

private:
  /// Every gradient gets memory of its own in the flat buffer: a value that serves twice is copied.
  /// The norm, which reads the whole buffer, then waits for the copy too.
  void separateGradients(func::FuncOp step) {
    DenseSet<Value> used;
    for (auto update : step.getOps<kernel::UpdateOp>())
      for (OpOperand &operand : update.getGradientsMutable()) {
        if (isOwnGradient(step, rootOf(operand.get())) && used.insert(rootOf(operand.get())).second)
          continue;
        OpBuilder after(step.getContext());
        after.setInsertionPointAfterValue(operand.get());
        auto type = cast<RankedTensorType>(operand.get().getType());
        auto copy = kernel::CopyOp::create(
            after, update.getLoc(), type, operand.get(),
            AffineMapAttr::get(after.getMultiDimIdentityMap(type.getRank())), TypeAttr());
        used.insert(copy.getResult());
        operand.set(copy.getResult());
        for (auto norm : step.getOps<kernel::SquareNormOp>())
          norm.getGradientsMutable().append(copy.getResult());
      }
  }

  /// Whether a value can lie in the buffer of the gradients: an argument only if it is a sum there.
  bool isOwnGradient(func::FuncOp step, Value value) {
    auto argument = dyn_cast<BlockArgument>(value);
    return !argument || roleOf(step, argument) == "gradient";
  }

  /// Parameters, gradients and states: each a run of the arena, an update's tensors together, in
  /// one order: that in which `backward` is done with their gradients.
  void placeParameters(func::FuncOp train, func::FuncOp backward) {
    SmallVector<kernel::UpdateOp> updates(train.getOps<kernel::UpdateOp>());
    llvm::MapVector<Value, int64_t> ready = readyStages(train, backward);
    unsigned states = updates.empty() ? 0 : updates.front().getNumStates();
    for (unsigned run = 0; run < 2 + states; ++run) {
      int64_t begin = arena.size();
      for (kernel::UpdateOp update : updates) {
        size_t count = update.getParameters().size();
        for (size_t i : orderOf(update, ready)) {
          Value value = run == 0   ? update.getParameters()[i]
                        : run == 1 ? rootOf(update.getGradients()[i])
                                   : update.getStates()[(run - 2) * count + i];
          int64_t offset = arena.take(bytesOf(value.getType()));
          places[value] = offset;
          if (run == 1 && !isa<BlockArgument>(value))
            addBuffer((nameOf(update.getParameters()[i]) + ".gradient").str(), "gradient",
                      value.getType(), offset);
          else if (run != 1)
            places[update.getResult((run == 0 ? 0 : run - 1) * count + i)] = offset;
          if (run == 1)
            gradients.push_back({offset, arena.size() - offset, ready.lookup(value),
                                 nameOf(update.getParameters()[i]).str()});
        }
      }
      runBytes = arena.size() - begin;
    }
    cutGradients(backward);
  }

  /// The stages of `backward` that must be done before a gradient can be added up over the ranks:
  /// those that make it, and those that read it for other gradients.
  llvm::MapVector<Value, int64_t> readyStages(func::FuncOp train, func::FuncOp backward) {
    DenseMap<Value, int64_t> done;
    for (auto [op, stage] : stagesOf(backward)) {
      for (Value result : op->getResults())
        done[result] = std::max(done.lookup(result), stage + 1);
      if (!isOfUpdate(op))
        for (Value value : readsOf(op))
          done[value] = std::max(done.lookup(value), stage + 1);
    }
    llvm::MapVector<Value, int64_t> ready;
    for (auto update : train.getOps<kernel::UpdateOp>())
      for (Value gradient : update.getGradients())
        ready[rootOf(gradient)] = done.lookup(
            train == backward ? rootOf(gradient) : sumOf(backward, cast<BlockArgument>(gradient)));
    return ready;
  }

  /// What @gradient_step returns for one of the sums that @update_step reads.
  Value sumOf(func::FuncOp gradient, BlockArgument sum) {
    auto results = gradient.front().getTerminator()->getOperands();
    unsigned first = gradient.getNumArguments() - results.size();
    return rootOf(results[sum.getArgNumber() - first]);
  }

  SmallVector<size_t> orderOf(kernel::UpdateOp update,
                              const llvm::MapVector<Value, int64_t> &ready) {
    SmallVector<size_t> order(update.getParameters().size());
    std::iota(order.begin(), order.end(), size_t(0));
    auto key = [&](size_t i) {
      return std::pair(ready.lookup(rootOf(update.getGradients()[i])), i);
    };
    llvm::sort(order, [&](size_t a, size_t b) { return key(a) < key(b); });
    return order;
  }

  // --- all-reduces ------------------------------------------------------------------------------

  struct Gradient {
    int64_t offset, bytes, ready; ///< `ready`: stages that are done then
    std::string name;
  };
  struct AllReduce {
    int64_t offset, elements, ready;
    std::string label;
  };

  /// Seconds after which so many stages of `step` are done.
  SmallVector<double> timesOf(func::FuncOp step) {
    SmallVector<double> seconds(1, 0);
    for (auto [op, stage] : stagesOf(step)) {
      seconds.resize(std::max(seconds.size(), size_t(stage) + 2), 0);
      double bytes = 0;
      for (Type type : op->getOperandTypes())
        bytes += isOfUpdate(op) ? 0 : bytesOf(type);
      for (Type type : op->getResultTypes())
        bytes += isOfUpdate(op) ? 0 : bytesOf(type);
      seconds[stage + 1] += std::max(2 * macsOf(op) / rates.flops, bytes / rates.bytes);
    }
    std::partial_sum(seconds.begin(), seconds.end(), seconds.begin());
    return seconds;
  }

  void cutGradients(func::FuncOp backward) {
    SmallVector<double> times = timesOf(backward);
    SmallVector<GradientPiece> pieces;
    for (const Gradient &gradient : gradients)
      pieces.push_back({gradient.bytes, times[gradient.ready]});
    auto limit = module->getAttrOfType<IntegerAttr>(nn::BucketAttr);
    size_t begin = 0;
    for (size_t end : cutBuckets(pieces, limit ? limit.getInt() : int64_t(25) << 20, rates)) {
      AllReduce &bucket = buckets.emplace_back();
      const Gradient &first = gradients[begin], &last = gradients[end - 1];
      bucket.offset = first.offset;
      bucket.elements = (last.offset + last.bytes - first.offset) / 4;
      bucket.label = first.name + ".gradient";
      if (end - begin > 1)
        bucket.label += " to " + last.name + ".gradient";
      for (; begin < end; ++begin)
        bucket.ready = std::max(bucket.ready, gradients[begin].ready);
    }
  }

  /// Those of a step, in the order in which they begin: gradients where it makes them; the loss and
  /// hits of the batch where it updates.
  SmallVector<AllReduce> allReducesOf(func::FuncOp step,
                                      const llvm::MapVector<Operation *, int64_t> &stages) {
    SmallVector<AllReduce> all;
    if (step.getName() == "train_step" || step.getName() == "gradient_step")
      all = buckets;
    if (step.getName() == "train_step" || step.getName() == "update_step")
      for (auto metrics : step.getOps<kernel::MetricsOp>())
        all.push_back({places.lookup(metrics.getResult()), int64_t(metrics::Correct) + 1,
                       stages.lookup(metrics) + 1, "loss and hits"});
    llvm::sort(all, [](const AllReduce &a, const AllReduce &b) {
      return std::pair(a.ready, a.offset) < std::pair(b.ready, b.offset);
    });
    return all;
  }

  /// The stage before which an all-reduce must be done: the first that reads gradients, or metrics,
  /// of all ranks; none: the end of the program.
  int64_t deadlineOf(const AllReduce &reduce, const llvm::MapVector<Operation *, int64_t> &stages) {
    int64_t deadline = INT64_MAX;
    for (auto [op, stage] : stages)
      if (isOfUpdate(op) && stage >= reduce.ready)
        deadline = std::min(deadline, stage);
    return deadline;
  }

  StringRef roleOf(func::FuncOp step, BlockArgument argument) {
    auto role = step.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::RoleAttr);
    return role ? role.getValue() : "activation";
  }

  void placeInterface(func::FuncOp step) {
    for (BlockArgument argument : step.getArguments()) {
      if (!places.contains(argument))
        places[argument] = arena.take(bytesOf(argument.getType()));
      addBuffer(nameOf(argument), roleOf(step, argument), argument.getType(), places[argument]);
    }
    Value metrics = step.front().getTerminator()->getOperands().back();
    places[metrics] = arena.take(bytesOf(metrics.getType()));
    addBuffer("metrics", "metrics", metrics.getType(), places[metrics]);
  }

  void shareArguments(func::FuncOp main, func::FuncOp step) {
    for (BlockArgument argument : step.getArguments())
      places[argument] = places.lookup(main.getArgument(argument.getArgNumber()));
  }

  /// @gradient_step returns its last arguments with one more term: in the same place.
  void placeSums(func::FuncOp main, func::FuncOp gradient) {
    shareArguments(main, gradient);
    auto results = gradient.front().getTerminator()->getOperands();
    auto sums = gradient.getArguments().take_back(results.size());
    for (auto [sum, result] : llvm::zip_equal(sums, results))
      places[rootOf(result)] = places.lookup(sum);
  }

  /// @eval_step has the first arguments of the step that updates, and returns (metrics, logits).
  void shareInterface(func::FuncOp train, func::FuncOp eval) {
    shareArguments(train, eval);
    auto results = eval.front().getTerminator()->getOperands();
    places[rootOf(results[0])] = places[train.front().getTerminator()->getOperands().back()];
    Value logits = rootOf(results[1]);
    places[logits] = arena.take(bytesOf(logits.getType()));
    addBuffer("logits", "logits", results[1].getType(), places[logits]);
  }

  // --- stages -----------------------------------------------------------------------------------

  /// The stage of every kernel: after all that it reads; an in-place update after all that read the
  /// old values; what reads gradients of all ranks after all that makes or reads those of one.
  llvm::MapVector<Operation *, int64_t> stagesOf(func::FuncOp step) {
    llvm::MapVector<Operation *, int64_t> stages;
    DenseMap<Value, int64_t> ready;               // the stage after the one that makes the value
    DenseMap<Value, int64_t> lastRead, usedUntil; // the latter not by the update: the stage behind
    for (Operation &op : step.front().without_terminator()) {
      if (movesNothing(&op))
        continue;
      int64_t stage = 0;
      for (Value value : readsOf(&op))
        stage = std::max(stage, ready.lookup(value));
      if (isOfUpdate(&op))
        for (auto update : step.getOps<kernel::UpdateOp>())
          for (Value gradient : update.getGradients())
            stage = std::max(
                {stage, ready.lookup(rootOf(gradient)), usedUntil.lookup(rootOf(gradient))});
      if (auto update = dyn_cast<kernel::UpdateOp>(op))
        for (Value parameter : update.getParameters())
          stage = std::max(stage, lastRead.lookup(parameter) + 1);
      for (Value value : readsOf(&op)) {
        lastRead[value] = std::max(lastRead.lookup(value), stage);
        if (!isOfUpdate(&op))
          usedUntil[value] = std::max(usedUntil.lookup(value), stage + 1);
      }
      for (Value result : op.getResults())
        ready[result] = stage + 1;
      stages[&op] = stage;
    }
    return stages;
  }

  /// Memory for what has no place yet; returns the bytes needed behind `base`.
  int64_t placeActivations(func::FuncOp step, int64_t base) {
    auto stages = stagesOf(step);
    llvm::MapVector<Value, Interval> lives;
    for (auto [op, stage] : stages) {
      for (Value value : readsOf(op))
        if (lives.contains(value))
          lives[value].last = std::max(lives[value].last, stage);
      for (Value result : op->getResults())
        if (!places.contains(result))
          lives[result] = {bytesOf(result.getType()), stage, stage};
    }
    SmallVector<Interval> intervals =
        llvm::map_to_vector(lives, [](auto &entry) { return entry.second; });
    int64_t needed = placeIntervals(intervals);
    // Logits were placed behind the interface, before this: activations begin where the arena ends
    // now.
    for (auto [entry, interval] : llvm::zip(lives, intervals))
      places[entry.first] = base + interval.offset;
    return needed;
  }

  // --- programs ---------------------------------------------------------------------------------

  LogicalResult emitProgram(func::FuncOp step) {
    auto stages = stagesOf(step);
    OpBuilder at(step);
    auto batch = cast<RankedTensorType>(step.getArgument(0).getType()).getShape().front();
    std::string name = step.getName().str();
    auto program = plan::ProgramOp::create(at, step.getLoc(), at.getStringAttr(name),
                                           at.getI64IntegerAttr(batch));
    at.createBlock(&program.getBody());
    int64_t count = 0;
    for (auto [op, stage] : stages)
      count = std::max(count, stage + 1);
    SmallVector<AllReduce> reduces = allReducesOf(step, stages);
    step.setName(name + "_kernels"); // the program takes the name
    size_t begun = 0;
    auto emitReduces = [&](int64_t stage) {
      at.setInsertionPointToEnd(&program.getBody().front());
      for (; begun < reduces.size() && reduces[begun].ready <= stage; ++begun)
        plan::AllReduceOp::create(at, step.getLoc(), begun, reduces[begun].offset,
                                  reduces[begun].elements, reduces[begun].label);
      for (size_t i = begun; i-- > 0;)
        if (std::min(deadlineOf(reduces[i], stages), count) == stage) {
          plan::WaitOp::create(at, step.getLoc(), i);
          break;
        }
    };
    for (int64_t i = 0; i < count; ++i) {
      emitReduces(i);
      auto stageOp = plan::StageOp::create(at, step.getLoc());
      at.createBlock(&stageOp.getBody());
      for (auto [op, stage] : stages)
        if (stage == i && failed(emitLaunch(at, op)))
          return failure();
    }
    emitReduces(count);
    return success();
  }

  LogicalResult emitLaunch(OpBuilder &at, Operation *op) {
    OutlinedKernel kernel = isOfUpdate(op) ? outliner.outlineFlat(op, flatElements(op), firstOf(op))
                                           : outliner.outline(op);
    SmallVector<int64_t> offsets;
    int64_t bytes = 0;
    for (auto values : {ArrayRef<Value>(kernel.operands), ArrayRef<Value>(kernel.results)})
      for (Value value : values)
        offsets.push_back(places.at(rootOf(value)));
    for (Type type : kernel.function.getArgumentTypes())
      bytes += bytesOf(type);
    for (Type type : kernel.function.getResultTypes())
      bytes += bytesOf(type);
    SpecPlaces from(op->getLoc());
    std::string label = op->getName().stripDialect().str();
    if (isa<kernel::UpdateOp>(op))
      label +=
          " " + std::to_string(cast<kernel::UpdateOp>(op).getParameters().size()) + " parameters";
    else if (!from.names.empty())
      label += " " + llvm::join(from.names, ", ");
    auto launch = plan::LaunchOp::create(at, op->getLoc(), kernel.function.getName(), offsets,
                                         label, 2 * macsOf(op), bytes);
    launch->setAttr("lines", at.getDenseI64ArrayAttr(
                                 SmallVector<int64_t>(from.lines.begin(), from.lines.end())));
    return success();
  }

  /// The tensor with which the run of a flat kernel begins.
  size_t firstOf(Operation *op) {
    auto update = dyn_cast<kernel::UpdateOp>(op);
    auto tensors = update ? update.getParameters() : op->getOperands();
    return std::distance(tensors.begin(), llvm::min_element(tensors, [&](Value a, Value b) {
                           return places.at(rootOf(a)) < places.at(rootOf(b));
                         }));
  }

  /// Length of the run that a flat kernel covers: its tensors, each rounded up to the alignment.
  int64_t flatElements(Operation *op) {
    if (isa<kernel::SquareNormOp>(op))
      return runBytes / 4;
    int64_t bytes = 0;
    for (Value parameter : cast<kernel::UpdateOp>(op).getParameters())
      bytes += alignBytes(bytesOf(parameter.getType()));
    return bytes / 4;
  }

  StringRef nameOf(Value value) {
    auto argument = cast<BlockArgument>(value);
    auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::NameAttr);
    return name ? name.getValue() : "unnamed";
  }

  void addBuffer(const Twine &name, StringRef role, Type type, int64_t offset) {
    OpBuilder at(module.getBody(), module.getBody()->begin());
    if (lastBuffer)
      at.setInsertionPointAfter(lastBuffer);
    lastBuffer = plan::BufferOp::create(at, module.getLoc(), name.str(), role, type, offset);
  }

  ModuleOp module;
  Builder builder;
  Outliner outliner;
  Arena arena;
  DenseMap<Value, int64_t> places;
  Operation *lastBuffer = nullptr;
  int64_t runBytes = 0; ///< bytes of one flat run (all parameters)
  StepRates rates;
  SmallVector<Gradient> gradients; ///< in the order of their buffer
  SmallVector<AllReduce> buckets;
};

struct KernelPlan : danaus::impl::KernelPlanBase<KernelPlan> {
  using KernelPlanBase::KernelPlanBase;
  void runOnOperation() override {
    if (failed(Planner(getOperation(), onGpu ? StepRates::gpu() : StepRates::cpu()).run()))
      signalPassFailure();
  }
};

} // namespace
