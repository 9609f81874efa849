// kernel-plan: from kernels on values to launches on places. Decides stages (what may run
// together), offsets (one arena for both programs) and makes every kernel a function.
#include "dialects/plan/Plan.h"
#include "compiler/Passes.h"
#include "compiler/lower/FlatRuns.h"
#include "compiler/lower/FusionRecord.h"
#include "compiler/lower/Layout.h"
#include "compiler/lower/Outline.h"
#include "compiler/lower/SpecPlaces.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

#include "runtime/plan/Control.h"

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
  Planner(ModuleOp module, Processor processor)
      : module(module), builder(module.getContext()), outliner(module), processor(processor),
        rates(processor == Processor::Gpu ? StepRates::gpu() : StepRates::cpu()) {}

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
    runs = placeRuns(main, gradient ? gradient : main, rates, arena, places);
    addBuffersOfRuns();
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

  StringRef roleOf(func::FuncOp step, BlockArgument argument) {
    auto role = step.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::RoleAttr);
    return role ? role.getValue() : "activation";
  }

  void placeInterface(func::FuncOp step) {
    for (BlockArgument argument : step.getArguments()) {
      if (!places.contains(argument))
        places[argument] = arena.take(bytesOf(argument.getType()));
      if (!runs.isSharded() || roleOf(step, argument) != "state")
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
    llvm::MapVector<Value, Interval> temporaries;
    for (auto [op, stage] : stages) {
      for (Value value : readsOf(op))
        if (temporaries.contains(value))
          temporaries[value].last = std::max(temporaries[value].last, stage);
      for (Value result : op->getResults())
        if (!places.contains(result))
          temporaries[result] = {bytesOf(result.getType()), stage, stage};
    }
    SmallVector<Interval> intervals =
        llvm::map_to_vector(temporaries, [](auto &entry) { return entry.second; });
    int64_t needed = placeIntervals(intervals);
    // Logits were placed behind the interface, before this: activations begin where the arena ends
    // now.
    for (auto [entry, interval] : llvm::zip(temporaries, intervals)) {
      interval.offset += base;
      places[entry.first] = interval.offset;
      lives[step].push_back({entry.first.getDefiningOp(), interval});
    }
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
    SmallVector<PlannedCollective> collectives = collectivesOf(step, stages, runs, places);
    step.setName(name + "_kernels"); // the program takes the name
    for (auto [maker, life] : lives[step])
      plan::LiveOp::create(at, maker->getLoc(), labelOf(maker), life.offset, life.bytes, life.first,
                           life.last);
    size_t begun = 0;
    auto emitCollectives = [&](int64_t stage) {
      at.setInsertionPointToEnd(&program.getBody().front());
      for (; begun < collectives.size() && collectives[begun].ready <= stage; ++begun)
        emitCollective(at, step.getLoc(), begun, collectives[begun]);
      for (size_t i = begun; i-- > 0;)
        if (std::min(collectives[i].deadline, count) == stage) {
          plan::WaitOp::create(at, step.getLoc(), i);
          break;
        }
    };
    for (int64_t i = 0; i < count; ++i) {
      emitCollectives(i);
      auto stageOp = plan::StageOp::create(at, step.getLoc());
      at.createBlock(&stageOp.getBody());
      for (auto [op, stage] : stages)
        if (stage == i && failed(emitLaunch(at, op)))
          return failure();
    }
    emitCollectives(count);
    return success();
  }

  static void emitCollective(OpBuilder &at, Location loc, int64_t number,
                             const PlannedCollective &each) {
    switch (each.kind) {
    case plan::CollectiveKind::AllReduce:
      plan::AllReduceOp::create(at, loc, number, each.offset, each.elements, each.label);
      return;
    case plan::CollectiveKind::ReduceScatter:
      plan::ReduceScatterOp::create(at, loc, number, each.offset, each.elements, each.label);
      return;
    case plan::CollectiveKind::AllGather:
      plan::AllGatherOp::create(at, loc, number, each.offset, each.elements, each.label);
      return;
    }
  }

  LogicalResult emitLaunch(OpBuilder &at, Operation *op) {
    if (isOfUpdate(op)) {
      emitFlat(at, op);
      return success();
    }
    OutlinedKernel kernel = outliner.outline(op);
    SmallVector<int64_t> offsets;
    for (auto values : {ArrayRef<Value>(kernel.operands), ArrayRef<Value>(kernel.results)})
      for (Value value : values)
        offsets.push_back(places.at(rootOf(value)));
    createLaunch(at, op, kernel, offsets, labelOf(op));
    return success();
  }

  plan::LaunchOp createLaunch(OpBuilder &at, Operation *op, OutlinedKernel kernel,
                              ArrayRef<int64_t> offsets, StringRef label) {
    int64_t bytes = 0;
    for (Type type : kernel.function.getArgumentTypes())
      bytes += bytesOf(type);
    for (Type type : kernel.function.getResultTypes())
      bytes += bytesOf(type);
    SpecPlaces from(op->getLoc());
    auto launch = plan::LaunchOp::create(at, op->getLoc(), kernel.function.getName(), offsets,
                                         label, 2 * macsOf(op), bytes);
    launch->setAttr("lines", at.getDenseI64ArrayAttr(
                                 SmallVector<int64_t>(from.lines.begin(), from.lines.end())));
    if (int64_t macs = matrixMacsOf(op, processor))
      launch->setAttr(plan::MatrixFlopsAttr, at.getI64IntegerAttr(2 * macs));
    if (int64_t products = matrixProductsOf(op); products > 1)
      launch->setAttr(plan::MatrixProductsAttr, at.getI64IntegerAttr(products));
    if (auto number = numberOf(op))
      setNumber(launch, *number);
    return launch;
  }

  /// What a kernel computes, in layer names: "chain fc1, fc2, loss".
  std::string labelOf(Operation *op) {
    std::string label = op->getName().stripDialect().str();
    SpecPlaces from(op->getLoc());
    if (auto update = dyn_cast<kernel::UpdateOp>(op))
      label += " " + std::to_string(update.getParameters().size()) + " parameters";
    else if (!from.names.empty())
      label += " " + llvm::join(from.names, ", ");
    return label;
  }

  /// An update or a norm: a launch on its whole run, or where it is sharded on a rank's part of
  /// each bucket.
  void emitFlat(OpBuilder &at, Operation *op) {
    for (const FlatPart &part : partsOf(op, runs, processor)) {
      auto norm = dyn_cast<kernel::SquareNormOp>(op);
      OutlinedKernel kernel =
          norm ? outliner.outlineNorm(norm, part.gradient, part.elements, part.norms)
               : outliner.outlineUpdate(cast<kernel::UpdateOp>(op), part.index, part.elements);
      SmallVector<int64_t> offsets, strides;
      for (auto [i, value] : llvm::enumerate(kernel.operands)) {
        offsets.push_back(places.at(rootOf(value)));
        strides.push_back(i < (norm ? 1 : 2) ? part.stride : 0); // parameters and gradients
      }
      for (auto [i, value] : llvm::enumerate(kernel.results)) {
        offsets.push_back(places.at(rootOf(value)) + (norm ? part.normOffset : 0));
        strides.push_back(i == 0 && !norm ? part.stride : 0);
      }
      plan::LaunchOp launch = createLaunch(at, op, kernel, offsets, part.label);
      if (part.stride)
        launch.setStrides(DenseI64ArrayAttr::get(at.getContext(), strides));
    }
  }

  StringRef nameOf(Value value) {
    auto argument = cast<BlockArgument>(value);
    auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::NameAttr);
    return name ? name.getValue() : "unnamed";
  }

  void addBuffersOfRuns() {
    for (Gradient each : runs.gradients)
      if (Value made = rootOf(each.update.getGradients()[each.index]); !isa<BlockArgument>(made))
        addBuffer(each.name + ".gradient", "gradient", made.getType(), places.at(made));
    for (const Bucket &bucket : runs.isSharded() ? ArrayRef(runs.buckets) : ArrayRef<Bucket>()) {
      OpBuilder at = atBuffers();
      lastBuffer =
          plan::ShardOp::create(at, module.getLoc(), bucket.name, bucket.parameters,
                                bucket.gradients, bucket.states, bucket.bytes / runs.shards);
    }
  }

  OpBuilder atBuffers() {
    OpBuilder at(module.getBody(), module.getBody()->begin());
    if (lastBuffer)
      at.setInsertionPointAfter(lastBuffer);
    return at;
  }

  void addBuffer(const Twine &name, StringRef role, Type type, int64_t offset) {
    OpBuilder at = atBuffers();
    lastBuffer = plan::BufferOp::create(at, module.getLoc(), name.str(), role, type, offset);
  }

  ModuleOp module;
  Builder builder;
  Outliner outliner;
  Arena arena;
  DenseMap<Value, int64_t> places;
  /// Of a step: what has a place for some stages only, by the kernel that makes it.
  DenseMap<Operation *, SmallVector<std::pair<Operation *, Interval>>> lives;
  Operation *lastBuffer = nullptr;
  FlatRuns runs;
  Processor processor;
  StepRates rates;
};

struct KernelPlan : danaus::impl::KernelPlanBase<KernelPlan> {
  using KernelPlanBase::KernelPlanBase;
  void runOnOperation() override {
    if (failed(Planner(getOperation(), onGpu ? Processor::Gpu : Processor::Cpu).run()))
      signalPassFailure();
  }
};

} // namespace
