// Kernels over flat memory: copies, optimizer updates, norms and metrics.
#include "compiler/lower/ScalarCode.h"
#include "compiler/target/cuda/EmitKernels.h"
#include "runtime/plan/Control.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

namespace {

constexpr int64_t Threads = 256, PerThread = 4, PerBlock = Threads * PerThread;

int64_t elementsOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getNumElements();
}

/// `body` for each of `count` elements, whose number is `e`; neighbours go to neighbouring threads.
void forElements(Lines &lines, int64_t count, llvm::function_ref<void()> body) {
  lines.block(llvm::formatv("for (int i = 0; i < {0}; ++i)", PerThread).str(), [&] {
    lines.add(llvm::formatv("const int e = blockIdx.x * {0} + i * {1} + threadIdx.x;", PerBlock,
                            Threads));
    if (count % PerBlock != 0)
      lines.add(llvm::formatv("if (e >= {0}) break;", count));
    body();
  });
}

/// `sum` += `term`, an expression in `e`, over [begin, end), a block together.
void sumOver(Lines &lines, StringRef sum, StringRef begin, StringRef end, StringRef term) {
  lines.add("float " + sum + " = 0;");
  lines.add("for (int e = " + begin + " + threadIdx.x; e < " + end + "; e += " + Twine(Threads) +
            ")");
  lines.add("  " + sum + " += " + term + ";");
  lines.add(llvm::formatv("{0} = reduceBlock<Add, {1}>({0}, reinterpret_cast<float *>(shared));",
                          sum, Threads / 32));
}

constexpr int64_t BlockSumBytes = 4 * Threads / 32;

} // namespace

FailureOr<KernelBody> cuda::emitCopy(kernel::CopyOp op, PointerOf pointerOf) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  ArrayRef<int64_t> shape = type.getShape();
  auto input = operandOf(op, pointerOf(op.getInput()), op.getInput(), op.getMap(), shape);
  if (failed(input))
    return failure();
  SmallVector<std::string> names;
  int64_t after = type.getNumElements();
  for (auto [i, size] : llvm::enumerate(shape)) {
    after /= size;
    std::string name = after == 1 ? "e" : "e / " + std::to_string(after);
    names.push_back("(" + (i == 0 ? name : name + " % " + std::to_string(size)) + ")");
  }
  KernelBody body;
  Lines lines(1);
  forElements(lines, type.getNumElements(), [&] {
    std::string value = input->load(names);
    bool isNarrower = type.getElementType() != input->element;
    if (isNarrower)
      value = (typeName(type.getElementType()) + "(" + value + ")").str();
    else if (op.getRounds())
      value = ("float(" + typeName(*op.getRounds()) + "(" + value + "))").str();
    lines.add(pointerOf(op.getResult()) + "[e] = " + value + ";");
  });
  body.blocks = llvm::divideCeil(type.getNumElements(), PerBlock);
  body.code = lines.take();
  return body;
}

FailureOr<KernelBody> cuda::emitUpdate(kernel::UpdateOp op, PointerOf pointerOf) {
  int64_t count = elementsOf(op.getParameters()[0]);
  assert(op.getParameters().size() == 1 && "updates are outlined flat");
  Lines lines(1);
  ScalarPrinter scalars(lines, "s");
  Block &block = op.getBody().front();
  unsigned next = 2 + op.getNumStates();
  auto readScalars = [&](Value buffer, ArrayRef<int64_t> indices) {
    for (int64_t i : indices) {
      std::string name = "c" + std::to_string(next);
      lines.add("const float " + name + " = " + pointerOf(buffer) + "[" + Twine(i) + "];");
      scalars.name(block.getArgument(next++), name);
    }
  };
  readScalars(op.getControl(), op.getControlIndices());
  readScalars(op.getMetrics(), op.getMetricsIndices());
  forElements(lines, count, [&] {
    SmallVector<Value> reads{op.getParameters()[0], op.getGradients()[0]};
    reads.append(op.getStates().begin(), op.getStates().end());
    for (auto [i, read] : llvm::enumerate(reads)) {
      std::string name = "x" + std::to_string(i);
      lines.add("const float " + name + " = " + pointerOf(read) + "[e];");
      scalars.name(block.getArgument(i), name);
    }
    SmallVector<std::string> values;
    for (Value value : block.getTerminator()->getOperands())
      values.push_back(scalars.use(value));
    for (auto [result, value] : llvm::zip(op.getResults(), values))
      lines.add(pointerOf(result) + "[e] = " + value + ";");
  });
  KernelBody body;
  body.blocks = llvm::divideCeil(count, PerBlock);
  body.code = lines.take();
  return scalars.failed() ? FailureOr<KernelBody>() : body;
}

FailureOr<KernelBody> cuda::emitSquareNorm(kernel::SquareNormOp op, PointerOf pointerOf) {
  int64_t count = elementsOf(op.getGradients()[0]), parts = elementsOf(op.getResult());
  int64_t perPart = llvm::divideCeil(count, parts);
  std::string input = pointerOf(op.getGradients()[0]) + "[e]";
  Lines lines(1);
  lines.add(llvm::formatv(
      "const int begin = min(int(blockIdx.x) * {0}, {1}), end = min(begin + {0}, {1});", perPart,
      count));
  sumOver(lines, "sum", "begin", "end", input + " * " + input);
  lines.add("if (threadIdx.x == 0) " + pointerOf(op.getResult()) + "[blockIdx.x] = sum;");
  KernelBody body;
  body.blocks = parts;
  body.sharedBytes = BlockSumBytes;
  body.code = lines.take();
  return body;
}

FailureOr<KernelBody> cuda::emitMetrics(kernel::MetricsOp op, PointerOf pointerOf) {
  Lines lines(1);
  auto sum = [&](StringRef name, Value tensor) {
    sumOver(lines, name, "0", std::to_string(elementsOf(tensor)), pointerOf(tensor) + "[e]");
  };
  sum("loss", op.getLoss());
  sum("correct", op.getCorrect());
  if (op.getSquareNorm())
    sum("square", op.getSquareNorm());
  std::string out = pointerOf(op.getResult());
  lines.block("if (threadIdx.x == 0)", [&] {
    lines.add(out + "[" + Twine(metrics::Loss) + "] = loss * " + pointerOf(op.getControl()) + "[" +
              Twine(control::InverseCount) + "];");
    lines.add(out + "[" + Twine(metrics::Correct) + "] = correct;");
    if (op.getSquareNorm())
      lines.add(out + "[" + Twine(metrics::GradNorm) + "] = sqrtf(square)" +
                (op.getScaled() ? " * " + pointerOf(op.getControl()) + "[" +
                                      std::to_string(control::InverseScale) + "]"
                                : "") +
                ";");
  });
  KernelBody body;
  body.sharedBytes = BlockSumBytes;
  body.code = lines.take();
  return body;
}
