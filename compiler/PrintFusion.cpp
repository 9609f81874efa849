// danausc --emit=fusion: one row per kernel, what it covers and what fusing it saved.
#include "compiler/Compiler.h"

#include "compiler/lower/Layout.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

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
  // Scores and probabilities of attention are tiles in cache; apart they would be written and read.
  auto scores = [](auto attention) {
    return 4 * int64_t(sizeof(float)) * attention.getBatch() * int64_t(attention.getHeads()) *
           attention.getTokens() * attention.getTokens();
  };
  if (auto attention = dyn_cast<kernel::AttentionOp>(op))
    saved += scores(attention);
  if (auto attention = dyn_cast<kernel::AttentionBackwardOp>(op))
    saved += 2 * scores(attention); // and the gradients of both
  if (auto chain = dyn_cast<kernel::ChainOp>(op)) {
    auto leaving = chain.getBody().front().getTerminator()->getOperands();
    for (Operation &inner : chain.getBody().front().without_terminator())
      for (Value value : inner.getResults())
        if (!llvm::is_contained(leaving, value))
          saved += 2 * bytesOf(value.getType());
  }
  return saved;
}

/// The kernel that makes a value; null for arguments.
Operation *makerOf(Value value) {
  while (auto reshape = value.getDefiningOp<nn::ReshapeOp>())
    value = reshape.getInput();
  return value.getDefiningOp();
}

/// Why the kernel is not one with the kernel that makes its first operand.
std::string reasonApart(Operation *op) {
  if (isa<kernel::ReduceOp>(op))
    return "sums over rows";
  if (isa<kernel::UpdateOp, kernel::SquareNormOp, kernel::MetricsOp>(op))
    return "needs the whole batch";
  if (isa<kernel::AttentionOp, kernel::AttentionBackwardOp>(op))
    return "needs all tokens of a sample";
  if (auto contract = dyn_cast<kernel::ContractOp>(op)) {
    Operation *maker = makerOf(contract.getLhs());
    if (isa_and_nonnull<kernel::CopyOp>(maker) && !makerOf(contract.getRhs()))
      return "its rows are moved first";
    return maker || makerOf(contract.getRhs()) ? "sums over rows" : "";
  }
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
                          kernel::UpdateOp, kernel::SquareNormOp, kernel::MetricsOp,
                          kernel::AttentionOp, kernel::AttentionBackwardOp>(inner);
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
