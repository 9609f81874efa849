// One CUDA C++ text per kernel function: comment, prelude, templates, types, entry point.
#include "compiler/target/cuda/EmitKernels.h"

#include "dialects/plan/Plan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

namespace {

class KernelEmitter {
public:
  KernelEmitter(func::FuncOp kernel, const Arch &arch)
      : kernel(kernel), op(kernel.front().front()), arch(arch) {}

  FailureOr<KernelSource> emit() {
    KernelSource source;
    source.symbol = kernel.getName().str();
    // Results first: an update works in place, and its results are its operands.
    for (auto [i, result] : llvm::enumerate(op.getResults()))
      take(source, result, kernel.getNumArguments() + i);
    for (BlockArgument argument : kernel.getArguments())
      take(source, argument, argument.getArgNumber());
    FailureOr<KernelBody> body = emitBody();
    if (failed(body))
      return failure();
    source.threads = body->threads;
    source.sharedBytes = body->sharedBytes;
    source.text = text(source, *body);
    OpBuilder builder(kernel.getContext());
    kernel->setAttr(plan::TilesAttr, builder.getI64IntegerAttr(body->blocks));
    kernel->setAttr(plan::ScratchAttr, builder.getI64IntegerAttr(0));
    return source;
  }

private:
  void take(KernelSource &source, Value value, unsigned argument) {
    names[value] = "p" + std::to_string(argument);
    bool isResult = argument >= kernel.getNumArguments();
    std::string type = typeName(cast<RankedTensorType>(value.getType()).getElementType()).str();
    parameters.push_back((isResult || isa<kernel::UpdateOp>(op) ? "" : "const ") + type + " *" +
                         (isa<kernel::UpdateOp>(op) ? "" : "__restrict__ ") + names[value]);
    source.parameters.push_back(argument);
  }

  FailureOr<KernelBody> emitBody() {
    auto pointerOf = [&](Value value) { return names.at(value); };
    return llvm::TypeSwitch<Operation *, FailureOr<KernelBody>>(&op)
        .Case([&](kernel::ContractOp op) { return emitContract(op, pointerOf); })
        .Case([&](kernel::ChainOp op) { return emitChain(op, pointerOf); })
        .Case([&](kernel::AttentionOp op) { return emitAttention(op, pointerOf, arch); })
        .Case([&](kernel::AttentionBackwardOp op) {
          return emitAttentionBackward(op, pointerOf, arch);
        })
        .Case([&](kernel::RowOp op) { return emitRow(op, pointerOf); })
        .Case([&](kernel::ReduceOp op) { return emitReduce(op, pointerOf); })
        .Case([&](kernel::CopyOp op) { return emitCopy(op, pointerOf); })
        .Case([&](kernel::UpdateOp op) { return emitUpdate(op, pointerOf); })
        .Case([&](kernel::SquareNormOp op) { return emitSquareNorm(op, pointerOf); })
        .Case([&](kernel::MetricsOp op) { return emitMetrics(op, pointerOf); })
        .Default([](Operation *op) -> FailureOr<KernelBody> {
          return op->emitOpError("has no CUDA code");
        });
  }

  std::string text(const KernelSource &source, const KernelBody &body) {
    std::string what = describe(kernel.getLoc());
    std::string all = "// " + source.symbol + (what.empty() ? "" : ": " + what) + "\n";
    all += device::prelude;
    for (StringRef part : body.templates)
      all += "\n" + part.str();
    if (!body.types.empty())
      all += "\n" + body.types;
    all += "\nextern \"C\" __global__ void __launch_bounds__(" + std::to_string(body.threads) +
           ", 1" + ")\n" + source.symbol + "(" + llvm::join(parameters, ", ") + ") {\n";
    if (body.sharedBytes > 0)
      all += "  extern __shared__ __align__(128) unsigned char shared[];\n";
    return all + body.code + "}\n";
  }

  func::FuncOp kernel;
  Operation &op;
  const Arch &arch;
  DenseMap<Value, std::string> names;
  SmallVector<std::string> parameters;
};

} // namespace

FailureOr<std::vector<KernelSource>> cuda::emitKernels(ModuleOp module, const Arch &arch) {
  std::vector<KernelSource> sources;
  for (auto kernel : module.getOps<func::FuncOp>()) {
    if (!kernel->hasAttr(plan::KindAttr))
      continue;
    FailureOr<KernelSource> source = KernelEmitter(kernel, arch).emit();
    if (failed(source))
      return failure();
    sources.push_back(std::move(*source));
  }
  return sources;
}
