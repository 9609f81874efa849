// kernel.attention and its gradients: constants for the template in device/attention.cuh.
#include "compiler/lower/BlockCost.h"
#include "compiler/target/cuda/EmitKernels.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

namespace {

/// As Attention counts them.
struct TileShape {
  int64_t rows, tile, score;
  TileShape(int64_t rows, int64_t headSize)
      : rows(rows), tile(rows * (llvm::alignTo(headSize, 4) + 4)), score(rows * (rows + 4)) {}
  int64_t forwardBytes() const { return 4 * (3 * tile + score); }
  int64_t backwardBytes() const { return 4 * (4 * tile + 2 * score + 2 * rows); }
};

enum class Direction { Forward, Backward };

template <typename Op>
KernelBody emitMma(Op op, Direction direction, ArrayRef<std::string> pointers) {
  constexpr int64_t rows = 64; // of a block
  int64_t headSize = op.getHeadSize();
  Lines lines;
  lines.block(
      "struct Op",
      [&] {
        lines.add(
            llvm::formatv("static constexpr int Batch = {0}, Heads = {1}, Tokens = {2}, D = {3};",
                          op.getBatch(), op.getHeads(), op.getTokens(), headSize));
        lines.add("using Element = " + typeName(*op.getProducts()) + ";");
      },
      "};");
  bool isForward = direction == Direction::Forward;
  KernelBody body;
  body.templates = {device::mma, device::attention_mma};
  body.types = lines.take();
  body.threads = 128;
  body.sharedBytes =
      2 * 2 * rows * (int64_t(llvm::alignTo(headSize, 16)) + 8) + (isForward ? 0 : 2 * 4 * rows);
  body.blocks = (isForward ? 1 : 2) * op.getBatch() * int64_t(op.getHeads()) *
                llvm::divideCeil(op.getTokens(), rows);
  std::string list = llvm::join(pointers, ", ");
  body.code = isForward ? "  MmaAttention<Op>::forward(" + list + ", shared);\n"
                        : "  MmaAttention<Op>::backward({" + list + "}, shared);\n";
  return body;
}

template <typename Op>
FailureOr<KernelBody> emit(Op op, Direction direction, ArrayRef<std::string> pointers,
                           const Arch &arch) {
  int64_t bytes = 0, rows = 0, headSize = op.getHeadSize();
  if (attendsOnTensorCores(op))
    return emitMma(op, direction, pointers);
  for (int64_t tried : {32, 16, 8}) {
    TileShape shape(tried, headSize);
    bytes = direction == Direction::Forward ? shape.forwardBytes() : shape.backwardBytes();
    rows = tried;
    if (bytes <= arch.sharedBytes)
      break;
  }
  if (bytes > arch.sharedBytes)
    return op.emitOpError() << "needs " << bytes << " bytes of shared memory for heads of size "
                            << headSize << ", and a block of " << arch.name << " has "
                            << arch.sharedBytes << ": use more heads";
  Lines lines;
  lines.block(
      "struct Op",
      [&] {
        lines.add(llvm::formatv(
            "static constexpr int Batch = {0}, Heads = {1}, Tokens = {2}, D = {3}, T = {4};",
            op.getBatch(), op.getHeads(), op.getTokens(), headSize, rows));
      },
      "};");
  KernelBody body;
  body.templates = {device::attention};
  body.types = lines.take();
  body.sharedBytes = bytes;
  bool isForward = direction == Direction::Forward;
  body.blocks = (isForward ? 1 : 2) * op.getBatch() * int64_t(op.getHeads()) *
                llvm::divideCeil(op.getTokens(), rows);
  std::string list = llvm::join(pointers, ", ");
  body.code =
      isForward ? "  Attention<Op>::forward(" + list + ", reinterpret_cast<float *>(shared));\n"
                : "  Attention<Op>::backward({" + list + "}, reinterpret_cast<float *>(shared));\n";
  return body;
}

SmallVector<std::string> pointersOf(Operation *op, PointerOf pointerOf) {
  SmallVector<std::string> pointers;
  for (Value operand : op->getOperands())
    pointers.push_back(pointerOf(operand));
  for (Value result : op->getResults())
    pointers.push_back(pointerOf(result));
  return pointers;
}

} // namespace

FailureOr<KernelBody> cuda::emitAttention(kernel::AttentionOp op, PointerOf pointerOf,
                                          const Arch &arch) {
  return emit(op, Direction::Forward, pointersOf(op, pointerOf), arch);
}

FailureOr<KernelBody> cuda::emitAttentionBackward(kernel::AttentionBackwardOp op,
                                                  PointerOf pointerOf, const Arch &arch) {
  return emit(op, Direction::Backward, pointersOf(op, pointerOf), arch);
}
