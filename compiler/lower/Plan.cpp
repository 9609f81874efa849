// kernel-plan: from kernels on values to launches on places. Decides stages (what may run
// together), offsets (one arena for both programs) and makes every kernel a function.
#include "dialects/plan/Plan.h"
#include "compiler/Passes.h"
#include "compiler/lower/Layout.h"
#include "compiler/lower/Outline.h"
#include "compiler/lower/SpecPlaces.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "mlir/Transforms/RegionUtils.h"

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

class Planner {
public:
  explicit Planner(ModuleOp module)
      : module(module), builder(module.getContext()), outliner(module) {}

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
    placeParameters(main);
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
  /// one order.
  void placeParameters(func::FuncOp train) {
    SmallVector<kernel::UpdateOp> updates(train.getOps<kernel::UpdateOp>());
    unsigned states = updates.empty() ? 0 : updates.front().getNumStates();
    for (unsigned run = 0; run < 2 + states; ++run) {
      int64_t begin = arena.size();
      for (kernel::UpdateOp update : updates) {
        size_t count = update.getParameters().size();
        for (size_t i = 0; i < count; ++i) {
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
        }
      }
      runBytes = arena.size() - begin;
    }
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
  /// old values.
  llvm::MapVector<Operation *, int64_t> stagesOf(func::FuncOp step) {
    llvm::MapVector<Operation *, int64_t> stages;
    DenseMap<Value, int64_t> ready; // the stage after the one that makes the value
    DenseMap<Value, int64_t> lastRead;
    for (Operation &op : step.front().without_terminator()) {
      if (movesNothing(&op))
        continue;
      int64_t stage = 0;
      for (Value value : readsOf(&op))
        stage = std::max(stage, ready.lookup(value));
      if (auto update = dyn_cast<kernel::UpdateOp>(op))
        for (Value parameter : update.getParameters())
          stage = std::max(stage, lastRead.lookup(parameter) + 1);
      for (Value value : readsOf(&op))
        lastRead[value] = std::max(lastRead.lookup(value), stage);
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
    step.setName(name + "_kernels"); // the program takes the name
    auto program = plan::ProgramOp::create(at, step.getLoc(), at.getStringAttr(name),
                                           at.getI64IntegerAttr(batch));
    at.createBlock(&program.getBody());
    int64_t count = 0;
    for (auto [op, stage] : stages)
      count = std::max(count, stage + 1);
    for (int64_t i = 0; i < count; ++i) {
      at.setInsertionPointToEnd(&program.getBody().front());
      auto stageOp = plan::StageOp::create(at, step.getLoc());
      at.createBlock(&stageOp.getBody());
      for (auto [op, stage] : stages)
        if (stage == i && failed(emitLaunch(at, op)))
          return failure();
    }
    return success();
  }

  LogicalResult emitLaunch(OpBuilder &at, Operation *op) {
    bool flat = isa<kernel::UpdateOp, kernel::SquareNormOp>(op);
    OutlinedKernel kernel =
        flat ? outliner.outlineFlat(op, flatElements(op)) : outliner.outline(op);
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
};

struct KernelPlan : danaus::impl::KernelPlanBase<KernelPlan> {
  void runOnOperation() override {
    if (failed(Planner(getOperation()).run()))
      signalPassFailure();
  }
};

} // namespace
