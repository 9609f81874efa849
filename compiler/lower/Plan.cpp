// kernel-plan: from kernels on values to launches on places. Decides stages (what may run
// together), offsets (one arena for both programs) and makes every kernel a function.
#include "dialects/plan/Plan.h"
#include "compiler/Passes.h"
#include "compiler/lower/AllReduces.h"
#include "compiler/lower/FusionRecord.h"
#include "compiler/lower/Layout.h"
#include "compiler/lower/Outline.h"
#include "compiler/lower/SpecPlaces.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "runtime/plan/Control.h"

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
    ReadyStages ready = readyStages(train, backward);
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
    auto limit = module->getAttrOfType<IntegerAttr>(nn::BucketAttr);
    constexpr int64_t standard = 25 << 20;
    buckets = cutGradients(backward, gradients, limit ? limit.getInt() : standard, rates);
  }

  SmallVector<size_t> orderOf(kernel::UpdateOp update, const ReadyStages &ready) {
    SmallVector<size_t> order(update.getParameters().size());
    std::iota(order.begin(), order.end(), size_t(0));
    auto key = [&](size_t i) {
      return std::pair(ready.lookup(rootOf(update.getGradients()[i])), i);
    };
    llvm::sort(order, [&](size_t a, size_t b) { return key(a) < key(b); });
    return order;
  }

  /// Those of a step, in the order in which they begin: gradients where it makes them; the loss and
  /// hits of the batch where it updates.
  SmallVector<AllReduce> allReducesOf(func::FuncOp step, const Stages &stages) {
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
    if (auto number = numberOf(op))
      setNumber(launch, *number);
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
  SmallVector<GradientPlace> gradients; ///< in the order of their buffer
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
