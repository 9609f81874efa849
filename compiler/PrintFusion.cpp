// danausc --emit=fusion: one row per kernel, what it covers and what fusing it saved.
#include "compiler/Compiler.h"

#include "compiler/lower/Layout.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace danaus;

namespace {

void collectLayers(Location loc, llvm::SetVector<StringRef> &names,
                   llvm::SetVector<unsigned> &lines) {
  loc->walk([&](Location inner) {
    if (auto name = dyn_cast<NameLoc>(inner))
      names.insert(name.getName().getValue());
    else if (auto file = dyn_cast<FileLineColLoc>(inner))
      lines.insert(file.getLine());
    return WalkResult::advance();
  });
}

/// Memory traffic that the kernel avoids: an epilogue's product would be written and read once, as
/// would each value that never leaves a chain.
int64_t bytesSaved(Operation *op) {
  int64_t saved = 0;
  op->walk([&](kernel::ContractOp contract) {
    int64_t operations = llvm::range_size(contract.getEpilogue().front().without_terminator());
    if (operations > 0)
      saved += 2 * bytesOf(contract.getResult(0).getType());
  });
  if (auto chain = dyn_cast<kernel::ChainOp>(op)) {
    auto leaving = chain.getBody().front().getTerminator()->getOperands();
    for (Operation &inner : chain.getBody().front().without_terminator())
      for (Value value : inner.getResults())
        if (!llvm::is_contained(leaving, value))
          saved += 2 * bytesOf(value.getType());
  }
  return saved;
}

/// Why the kernel is not one with the kernel that makes its first operand.
std::string reasonApart(Operation *op) {
  if (isa<kernel::ReduceOp>(op))
    return "sums over rows";
  if (isa<kernel::UpdateOp, kernel::SquareNormOp, kernel::MetricsOp>(op))
    return "needs the whole batch";
  if (auto contract = dyn_cast<kernel::ContractOp>(op))
    return contract.getLhs().getDefiningOp() || contract.getRhs().getDefiningOp() ? "sums over rows"
                                                                                  : "";
  return "";
}

} // namespace

LogicalResult danaus::printFusion(ModuleOp module, llvm::raw_ostream &os) {
  for (auto function : module.getOps<func::FuncOp>()) {
    os << function.getName() << '\n';
    os << "  kernel       operations  bytes saved  lines          layers; why apart\n";
    for (Operation &op : function.front()) {
      if (!isa<kernel::KernelDialect>(op.getDialect()))
        continue;
      int64_t operations = 0;
      op.walk([&](Operation *inner) {
        operations += isa<kernel::ContractOp, kernel::RowOp, kernel::CopyOp, kernel::ReduceOp,
                          kernel::UpdateOp, kernel::SquareNormOp, kernel::MetricsOp>(inner);
      });
      llvm::SetVector<StringRef> names;
      llvm::SetVector<unsigned> lines;
      collectLayers(op.getLoc(), names, lines);
      std::string where =
          llvm::join(llvm::map_range(lines, [](unsigned l) { return std::to_string(l); }), ",");
      std::string reason = reasonApart(&op);
      os << llvm::format("  %-12s %10lld %12lld  %-14s ", op.getName().stripDialect().str().c_str(),
                         (long long)operations, (long long)bytesSaved(&op), where.c_str())
         << llvm::join(names, ", ") << (reason.empty() ? "" : "; " + reason) << '\n';
    }
  }
  return success();
}
