// See FusionRecord.h.
#include "compiler/lower/FusionRecord.h"

#include "compiler/lower/Layout.h"
#include "compiler/lower/Stages.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/IR/Builders.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace danaus;

namespace {

constexpr StringLiteral OperationsAttr = "operations", SavedAttr = "saved", NumberAttr = "number",
                        RefusedAttr = "refused";

void write(Operation *kernel, ArrayRef<StringRef> operations, int64_t saved) {
  Builder builder(kernel->getContext());
  kernel->setDiscardableAttr(OperationsAttr, builder.getStrArrayAttr(operations));
  if (saved)
    kernel->setDiscardableAttr(SavedAttr, builder.getI64IntegerAttr(saved));
}

/// Scores and probabilities of attention are tiles in cache; apart both would be written and read,
/// on the way back their gradients too.
int64_t scoresSaved(Operation *kernel) {
  auto scores = [](auto attention) {
    return 4 * int64_t(sizeof(float)) * attention.getBatch() * int64_t(attention.getHeads()) *
           attention.getTokens() * attention.getTokens();
  };
  if (auto attention = dyn_cast<kernel::AttentionOp>(kernel))
    return scores(attention);
  if (auto attention = dyn_cast<kernel::AttentionBackwardOp>(kernel))
    return 2 * scores(attention);
  return 0;
}

} // namespace

int64_t danaus::trafficOf(Operation *kernel) {
  llvm::SetVector<Value> read(kernel->getOperands().begin(), kernel->getOperands().end()), roots;
  getUsedValuesDefinedAbove(kernel->getRegions(), read);
  for (Value value : read)
    roots.insert(rootOf(value));
  int64_t bytes = 0;
  for (Value value : roots)
    bytes += bytesOf(value.getType());
  for (Value result : kernel->getResults())
    bytes += bytesOf(result.getType());
  return bytes;
}

void danaus::recordOperation(Operation *kernel, StringRef name) {
  write(kernel, name, scoresSaved(kernel));
}

void danaus::recordPart(Operation *kernel, StringRef name, int64_t saved) {
  SmallVector<StringRef> operations = recordedOperations(kernel);
  operations.push_back(name);
  write(kernel, operations, recordedSaving(kernel) + saved);
}

void danaus::recordFusion(ArrayRef<Operation *> parts, Operation *fused) {
  SmallVector<StringRef> operations;
  int64_t saved = -trafficOf(fused);
  for (Operation *part : parts) {
    llvm::append_range(operations, recordedOperations(part));
    saved += recordedSaving(part) + trafficOf(part);
  }
  write(fused, operations, saved);
}

SmallVector<StringRef> danaus::recordedOperations(Operation *kernel) {
  if (auto names = dyn_cast_or_null<ArrayAttr>(kernel->getDiscardableAttr(OperationsAttr)))
    return llvm::to_vector(names.getAsValueRange<StringAttr>());
  return {kernel->getName().stripDialect()};
}

int64_t danaus::recordedSaving(Operation *kernel) {
  auto saved = dyn_cast_or_null<IntegerAttr>(kernel->getDiscardableAttr(SavedAttr));
  return saved ? saved.getInt() : 0;
}

void danaus::recordRefusal(Operation *kernel, StringRef reason) {
  kernel->setDiscardableAttr(RefusedAttr, StringAttr::get(kernel->getContext(), reason));
}

StringRef danaus::recordedRefusal(Operation *kernel) {
  auto reason = dyn_cast_or_null<StringAttr>(kernel->getDiscardableAttr(RefusedAttr));
  return reason ? reason.getValue() : StringRef();
}

void danaus::setNumber(Operation *kernel, int64_t number) {
  kernel->setDiscardableAttr(NumberAttr, Builder(kernel->getContext()).getI64IntegerAttr(number));
}

std::optional<int64_t> danaus::numberOf(Operation *kernelOrLaunch) {
  auto number = dyn_cast_or_null<IntegerAttr>(kernelOrLaunch->getDiscardableAttr(NumberAttr));
  return number ? std::optional(number.getInt()) : std::nullopt;
}

void danaus::eraseRecords(Operation *op) {
  op->walk([](Operation *inner) {
    for (StringRef name : {OperationsAttr, SavedAttr, NumberAttr, RefusedAttr})
      inner->removeDiscardableAttr(name);
  });
}
