// See FlatRuns.h.
#include "compiler/lower/FlatRuns.h"

#include "compiler/lower/SpecPlaces.h"
#include "dialects/nn/NN.h"

#include "runtime/plan/Control.h"

using namespace mlir;
using namespace danaus;

namespace {

/// The tensor of a gradient's update in one of its runs. 0: the parameter; 1: the gradient; from 2
/// on: states.
Value tensorOf(const Gradient &each, unsigned run) {
  kernel::UpdateOp update = each.update;
  return run == 0   ? update.getParameters()[each.index]
         : run == 1 ? rootOf(update.getGradients()[each.index])
                    : update.getStates()[(run - 2) * update.getParameters().size() + each.index];
}

/// What the update makes of it; a gradient it only reads.
Value resultOf(const Gradient &each, unsigned run) {
  kernel::UpdateOp update = each.update;
  unsigned number = run == 0 ? 0 : run - 1;
  return update.getResult(number * update.getParameters().size() + each.index);
}

class RunPlacer {
public:
  RunPlacer(FlatRuns &runs, Arena &arena, Places &places)
      : runs(runs), arena(arena), places(places) {}

  void place(unsigned states) {
    for (unsigned run = 0; run < 2 + states; ++run)
      if (run < 2 || !runs.isSharded())
        placeWhole(run);
      else
        placeParts(run);
  }

private:
  ArrayRef<Gradient> gradientsIn(const Bucket &bucket) const {
    return ArrayRef(runs.gradients).slice(bucket.begin, bucket.end - bucket.begin);
  }

  void placeAt(const Gradient &each, unsigned run, int64_t offset) {
    places[tensorOf(each, run)] = offset;
    if (run != 1)
      places[resultOf(each, run)] = offset;
  }

  void placeWhole(unsigned run) {
    int64_t begin = arena.size();
    for (Bucket &bucket : runs.buckets) {
      int64_t first = arena.size();
      for (const Gradient &each : gradientsIn(bucket))
        placeAt(each, run, arena.take(bytesOf(tensorOf(each, run).getType())));
      int64_t bytes = arena.size() - first;
      bucket.bytes = llvm::alignTo(bytes, alignBytes(1) * runs.shards);
      arena.take(bucket.bytes - bytes);
      if (run < 2)
        (run == 0 ? bucket.parameters : bucket.gradients) = first;
    }
    runs.bytes = arena.size() - begin;
  }

  void placeParts(unsigned run) {
    for (Bucket &bucket : runs.buckets) {
      bucket.states.push_back(arena.take(bucket.bytes / runs.shards));
      for (const Gradient &each : gradientsIn(bucket))
        placeAt(each, run, bucket.states.back());
    }
  }

  FlatRuns &runs;
  Arena &arena;
  Places &places;
};

int64_t elementsOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getNumElements();
}

} // namespace

FlatRuns danaus::placeRuns(func::FuncOp train, func::FuncOp backward, const StepRates &rates,
                           Arena &arena, Places &places) {
  FlatRuns runs;
  auto module = train->getParentOfType<ModuleOp>();
  if (auto ranks = module->getAttrOfType<IntegerAttr>(nn::ShardsAttr))
    runs.shards = ranks.getInt();
  auto limit = module->getAttrOfType<IntegerAttr>(nn::BucketAttr);
  constexpr int64_t standard = 25 << 20;
  runs.gradients = gradientsOf(train, backward);
  runs.buckets = cutGradients(backward, runs.gradients, limit ? limit.getInt() : standard,
                              runs.isSharded() ? Updates::Apart : Updates::Together, rates);
  if (runs.gradients.empty())
    return runs;
  RunPlacer(runs, arena, places).place(runs.gradients.front().update.getNumStates());
  for (auto norm : train.getOps<kernel::SquareNormOp>())
    if (auto type = cast<RankedTensorType>(norm.getType()); runs.isSharded())
      norm.getResult().setType(type.clone({type.getNumElements() * int64_t(runs.buckets.size())}));
  return runs;
}

SmallVector<PlannedCollective> danaus::collectivesOf(func::FuncOp step, const Stages &stages,
                                                     const FlatRuns &runs, const Places &places) {
  using Kind = plan::CollectiveKind;
  SmallVector<PlannedCollective> all;
  auto add = [&](Kind kind, int64_t offset, int64_t elements, int64_t ready, int64_t deadline,
                 StringRef label) {
    all.push_back({kind, offset, elements, ready, deadline, label.str()});
  };
  if (step.getName() == "train_step" || step.getName() == "gradient_step")
    for (const Bucket &bucket : runs.buckets)
      add(runs.isSharded() ? Kind::ReduceScatter : Kind::AllReduce, bucket.gradients,
          bucket.bytes / 4, bucket.ready, deadlineOf(bucket.ready, stages), bucket.gradientName);
  if (step.getName() == "train_step" || step.getName() == "update_step")
    for (auto metrics : step.getOps<kernel::MetricsOp>()) {
      int64_t stage = stages.lookup(metrics);
      add(Kind::AllReduce, places.lookup(metrics.getResult()), int64_t(metrics::Correct) + 1,
          stage + 1, deadlineOf(stage + 1, stages), "loss and hits");
      if (auto norm = metrics.getSquareNorm(); norm && runs.isSharded())
        add(Kind::AllReduce, places.lookup(norm), elementsOf(norm),
            stages.lookup(norm.getDefiningOp()) + 1, stage, "square norms");
    }
  int64_t updated = 0;
  for (auto update : step.getOps<kernel::UpdateOp>())
    updated = std::max(updated, stages.lookup(update) + 1);
  if (runs.isSharded() && updated)
    for (const Bucket &bucket : runs.buckets)
      add(Kind::AllGather, bucket.parameters, bucket.bytes / 4, updated, INT64_MAX, bucket.name);
  llvm::sort(all, [](const PlannedCollective &a, const PlannedCollective &b) {
    return std::pair(a.ready, a.offset) < std::pair(b.ready, b.offset);
  });
  return all;
}

/// The whole run.
static FlatPart wholeOf(Operation *op, const FlatRuns &runs) {
  auto isOwn = [&](const Gradient &each) {
    return isa<kernel::SquareNormOp>(op) || each.update == op;
  };
  const Gradient &first = *llvm::find_if(runs.gradients, isOwn);
  FlatPart part{first.index, tensorOf(first, 1)};
  part.label = op->getName().stripDialect().str();
  if (auto update = dyn_cast<kernel::UpdateOp>(op)) {
    for (const Gradient &each : runs.gradients)
      part.elements += isOwn(each) ? each.bytes / 4 : 0;
    part.label += " " + std::to_string(update.getParameters().size()) + " parameters";
    return part;
  }
  part.elements = runs.bytes / 4;
  part.norms = elementsOf(op->getResult(0));
  if (SpecPlaces from(op->getLoc()); !from.names.empty())
    part.label += " " + llvm::join(from.names, ", ");
  return part;
}

/// An update cut between parameters, for threads that each have their share of every launch
/// (runtime/device/cpu/TileShares.h): the same rows of a weight as of its gradient and its packing,
/// which then stay in the cache of one core. Biases go with the weight before them; what is small
/// would be a launch of one call, and goes with others.
static SmallVector<FlatPart> largePartsOf(kernel::UpdateOp update, const FlatRuns &runs) {
  constexpr int64_t large = 8 * 1024, bias = 1024;
  SmallVector<FlatPart> parts;
  StringRef first, last;
  for (const Gradient &each : runs.gradients) {
    if (each.update != update)
      continue;
    int64_t elements = each.bytes / 4;
    if (parts.empty() || (elements > bias && parts.back().elements >= large)) {
      parts.push_back({each.index, tensorOf(each, 1)});
      first = each.name;
    }
    parts.back().elements += elements;
    last = each.name;
    parts.back().label = ("update " + first + (first == last ? "" : " to " + last)).str();
  }
  return parts;
}

SmallVector<FlatPart> danaus::partsOf(Operation *op, const FlatRuns &runs, Processor processor) {
  if (!runs.isSharded()) {
    auto update = dyn_cast<kernel::UpdateOp>(op);
    if (update && processor == Processor::Cpu)
      if (SmallVector<FlatPart> parts = largePartsOf(update, runs); parts.size() > 1)
        return parts;
    return {wholeOf(op, runs)};
  }
  SmallVector<FlatPart> parts;
  bool isNorm = isa<kernel::SquareNormOp>(op);
  int64_t norms = isNorm ? elementsOf(op->getResult(0)) / int64_t(runs.buckets.size()) : 0;
  for (auto [i, bucket] : llvm::enumerate(runs.buckets)) {
    const Gradient &first = runs.gradients[bucket.begin];
    if (!isNorm && first.update != op)
      continue;
    int64_t bytes = bucket.bytes / runs.shards;
    parts.push_back(
        {first.index, tensorOf(first, 1), bytes / 4, norms, 4 * norms * int64_t(i), bytes,
         (op->getName().stripDialect() + " 1/" + Twine(runs.shards) + " of " + bucket.name).str()});
  }
  return parts;
}
