// See DescribeFusion.h; rowsOf of Fusion.h.
#include "compiler/DescribeFusion.h"

#include "compiler/lower/ChainRules.h"
#include "compiler/lower/FusionRecord.h"
#include "compiler/lower/Layout.h"
#include "compiler/lower/SpecPlaces.h"
#include "compiler/lower/Stages.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace danaus;

namespace {

void setPlaces(Location location, FusionKernel &kernel) {
  SpecPlaces places(location);
  kernel.lines.assign(places.lines.begin(), places.lines.end());
  llvm::sort(kernel.lines);
  for (StringRef name : places.names)
    kernel.layers.push_back(name.str());
}

FusionKernel kernelOf(Operation *op) {
  FusionKernel kernel;
  kernel.operation = op->getName().stripDialect();
  if (auto update = dyn_cast<kernel::UpdateOp>(op)) { // of all layers
    kernel.operations = update.getParameters().size();
    kernel.covers.push_back(recordedOperations(op).front().str() + " of " +
                            std::to_string(kernel.operations) + " parameters");
    return kernel;
  }
  kernel.isPreparation = !numberOf(op);
  if (kernel.isPreparation)
    kernel.covers.push_back(isa<kernel::ReduceOp>(op) ? "partial sums" : "pack");
  for (Operation *member : kernel.isPreparation ? SmallVector<Operation *>() : membersOf(op)) {
    SmallVector<StringRef> operations = recordedOperations(member);
    kernel.operations += operations.size();
    kernel.covers.push_back(llvm::join(operations, "+"));
  }
  kernel.bytesSaved = recordedSaving(op);
  setPlaces(op->getLoc(), kernel);
  return kernel;
}

/// The values that `op` reads of others, by the kernel that makes them.
llvm::MapVector<Operation *, int64_t> readBytes(Operation *op) {
  llvm::MapVector<Operation *, int64_t> bytes;
  llvm::SetVector<Value> roots;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (isa<RankedTensorType>(operand.getType()))
        roots.insert(rootOf(operand));
  });
  for (Value root : roots)
    if (Operation *maker = root.getDefiningOp(); maker && maker->getBlock() == op->getBlock())
      bytes[maker] += bytesOf(root.getType());
  return bytes;
}

template <typename T> void addNew(std::vector<T> &list, const T &entry) {
  if (!llvm::is_contained(list, entry))
    list.push_back(entry);
}

} // namespace

FusionDescriber::FusionDescriber(ModuleOp module, const std::optional<GpuShape> &gpu)
    : module(module) {
  for (auto step : module.getOps<func::FuncOp>())
    apart[step.getName()] = explainApart(step, gpu);
}

void FusionDescriber::describeKernels() {
  for (auto step : module.getOps<func::FuncOp>())
    describeStep(step, fusion.emplace_back());
}

void FusionDescriber::describeStep(func::FuncOp step, FusionStep &out) {
  out.name = step.getName();
  llvm::MapVector<Operation *, size_t> indices;
  DenseMap<int64_t, size_t> byNumber; // before the passes that prepare operands
  for (Operation &op : step.front()) {
    if (!isa<kernel::KernelDialect>(op.getDialect()))
      continue;
    if (auto number = numberOf(&op))
      byNumber[*number] = out.kernels.size();
    indices[&op] = out.kernels.size();
    out.kernels.push_back(kernelOf(&op));
  }
  auto neighboursOf = [&](size_t index) -> auto & { return out.kernels[index].neighbours; };
  for (const Apart &each : apart[step.getName()]) {
    auto from = byNumber.find(each.from), to = byNumber.find(each.to);
    if (from == byNumber.end() || to == byNumber.end())
      continue;
    if (auto via = byNumber.find(each.via); via != byNumber.end())
      mentions.push_back(
          {fusion.size() - 1, to->second, neighboursOf(to->second).size(), via->second});
    neighboursOf(to->second).push_back({from->second, each.bytes, each.reason});
  }
  for (auto [op, index] : indices)
    for (auto [maker, bytes] : readBytes(op)) {
      auto from = indices.find(maker);
      if (from == indices.end())
        continue;
      auto &neighbours = neighboursOf(index);
      if (llvm::none_of(neighbours,
                        [&](const FusionNeighbour &each) { return each.from == from->second; }))
        neighbours.push_back({from->second, bytes, reasonOfLatePass(maker, op).str()});
    }
  for (auto [op, index] : indices)
    setNumber(op, int64_t(index));
}

Fusion FusionDescriber::named() {
  for (auto program : module.getOps<plan::ProgramOp>()) {
    auto step = llvm::find_if(
        fusion, [&](const FusionStep &each) { return each.name == program.getSymName(); });
    if (step == fusion.end())
      continue;
    program.walk([&](plan::LaunchOp launch) {
      auto number = numberOf(launch);
      eraseRecords(launch);
      if (number) { // an update may be several launches: it has the name of the first
        FusionKernel &kernel = step->kernels[size_t(*number)];
        if (kernel.name.empty())
          kernel.name = launch.getKernel();
        return;
      }
      FusionKernel copy; // made by the plan itself: a gradient that serves twice
      copy.name = launch.getKernel();
      copy.operation = "copy";
      copy.covers = {"copy"};
      copy.operations = 1;
      copy.isPreparation = true;
      setPlaces(launch.getLoc(), copy);
      step->kernels.push_back(copy);
    });
  }
  for (const Mention &each : mentions) {
    FusionStep &step = fusion[each.step];
    std::string &reason = step.kernels[each.kernel].neighbours[each.neighbour].reason;
    StringRef placeholder = "another kernel";
    if (size_t at = reason.find(placeholder); at != std::string::npos)
      reason.replace(at, placeholder.size(), step.kernels[each.named].name);
  }
  return std::move(fusion);
}

std::vector<FusionRow> danaus::rowsOf(const FusionStep &step) {
  return rowsOf(step, llvm::to_vector(llvm::seq(step.kernels.size())));
}

std::vector<FusionRow> danaus::rowsOf(const FusionStep &step, ArrayRef<size_t> launches) {
  std::vector<FusionRow> rows;
  llvm::StringMap<size_t> byName;
  for (size_t launch : launches) {
    const FusionKernel &kernel = step.kernels[launch];
    auto [slot, isNew] = byName.try_emplace(kernel.name, rows.size());
    if (isNew)
      rows.push_back({kernel.name, kernel.operation, kernel.covers, kernel.operations});
    FusionRow &row = rows[slot->second];
    row.launches.push_back(launch);
    row.bytesSaved += kernel.bytesSaved;
    for (unsigned line : kernel.lines)
      addNew(row.lines, line);
    for (const std::string &layer : kernel.layers)
      addNew(row.layers, layer);
    for (const FusionNeighbour &each : kernel.neighbours)
      addNew(row.apart, {step.kernels[each.from].name, each.reason});
  }
  for (FusionRow &row : rows)
    llvm::sort(row.lines);
  return rows;
}
