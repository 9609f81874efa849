// kernel-stream-results: results of chains, and gradients of weights, that are read again only
// after so much else that no cache still has them are stored around the cache. A store into a cache
// first reads the line that it overwrites, and drives out a line that is needed; what the forward
// pass keeps for the backward pass is most of what a chain writes.
#include "compiler/Passes.h"
#include "compiler/lower/Layout.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELSTREAMRESULTS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// The kernels that read a value, also through views of it; null where something else does.
std::optional<SmallVector<Operation *>> readersOf(Value value) {
  SmallVector<Operation *> readers;
  for (Operation *user : value.getUsers()) {
    if (auto view = dyn_cast<nn::ReshapeOp>(user)) {
      auto more = readersOf(view.getResult());
      if (!more)
        return std::nullopt;
      llvm::append_range(readers, *more);
    } else if (isa<kernel::KernelDialect>(user->getDialect())) {
      readers.push_back(user);
    } else {
      return std::nullopt; // it leaves the function
    }
  }
  return readers;
}

/// What a kernel writes: what it reads was written by others.
int64_t bytesWritten(Operation &op) {
  int64_t bytes = 0;
  for (Type type : op.getResultTypes())
    bytes += bytesOf(type);
  return bytes;
}

struct StreamResults : danaus::impl::KernelStreamResultsBase<StreamResults> {
  using KernelStreamResultsBase::KernelStreamResultsBase;

  void runOnOperation() override {
    int64_t written = 0;
    before.clear();
    for (Operation &op : getOperation().front()) {
      before[&op] = written;
      if (isa<kernel::KernelDialect>(op.getDialect()))
        written += bytesWritten(op);
    }
    for (auto contract : getOperation().front().getOps<kernel::ContractOp>())
      if (contract.isBlocked() &&
          llvm::all_of(contract.getResults(), [&](Value value) { return isFar(value); }))
        contract.setStreamed(true);
    for (auto chain : getOperation().front().getOps<kernel::ChainOp>()) {
      SmallVector<int64_t> streamed;
      Operation *yield = chain.getBody().front().getTerminator();
      for (auto [i, inner] : llvm::enumerate(yield->getOperands())) {
        bool hasRows = cast<ShapedType>(inner.getType()).getRank() > 1;
        if (hasRows && inner.hasOneUse() && isFar(chain.getResult(i)))
          streamed.push_back(i);
      }
      if (!streamed.empty())
        chain.setStreamed(streamed);
    }
  }

private:
  /// Whether so much is written between the kernel that makes a value and all that read it.
  bool isFar(Value value) {
    Operation *maker = value.getDefiningOp();
    int64_t end = before.at(maker) + bytesWritten(*maker);
    auto readers = readersOf(value);
    return readers && !readers->empty() && llvm::all_of(*readers, [&](Operation *reader) {
             Operation *kernel = maker->getBlock()->findAncestorOpInBlock(*reader);
             return before.at(kernel) - end >= int64_t(farBytes);
           });
  }

  /// Bytes that all kernels before each one have written.
  DenseMap<Operation *, int64_t> before;
};

} // namespace
