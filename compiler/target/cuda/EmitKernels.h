// CUDA C++ for the kernels of a planned module.
#pragma once

#include "compiler/target/cuda/Arch.h"
#include "compiler/target/cuda/Text.h"

#include "mlir/IR/BuiltinOps.h"

#include <vector>

namespace danaus::cuda {

/// A kernel as CUDA C++: one extern "C" entry point, which takes pointers to `parameters`.
struct KernelSource {
  std::string symbol, text;
  unsigned threads = 0;    ///< of a block
  int64_t sharedBytes = 0; ///< dynamic shared memory of a block
  std::vector<uint32_t>
      parameters; ///< which of the plan kernel's arguments the code takes, in order
};

/// The code of every kernel function of a module at stage plan, for an architecture. Sets
/// plan.tiles (blocks) and plan.scratch of each. What has no code is an error on its operation.
mlir::FailureOr<std::vector<KernelSource>> emitKernels(mlir::ModuleOp module, const Arch &arch);

/// What one class of kernel gives: the code of its body and how it is launched.
struct KernelBody {
  std::vector<llvm::StringRef> templates; ///< texts of device/ that it uses, after the prelude
  std::string types;                      ///< structs before the entry point
  std::string code;                       ///< statements of the entry point
  int64_t blocks = 1;
  unsigned threads = 256;
  int64_t sharedBytes = 0;
};

/// The name of an operation's operand or result in code; what a kernel takes has one.
using PointerOf = llvm::function_ref<std::string(mlir::Value)>;

mlir::FailureOr<KernelBody> emitContract(kernel::ContractOp op, PointerOf pointerOf);
mlir::FailureOr<KernelBody> emitChain(kernel::ChainOp op, PointerOf pointerOf);
mlir::FailureOr<KernelBody> emitAttention(kernel::AttentionOp op, PointerOf pointerOf,
                                          const Arch &arch);
mlir::FailureOr<KernelBody> emitAttentionBackward(kernel::AttentionBackwardOp op,
                                                  PointerOf pointerOf, const Arch &arch);
mlir::FailureOr<KernelBody> emitRow(kernel::RowOp op, PointerOf pointerOf);
mlir::FailureOr<KernelBody> emitReduce(kernel::ReduceOp op, PointerOf pointerOf);
mlir::FailureOr<KernelBody> emitCopy(kernel::CopyOp op, PointerOf pointerOf);
mlir::FailureOr<KernelBody> emitUpdate(kernel::UpdateOp op, PointerOf pointerOf);
mlir::FailureOr<KernelBody> emitSquareNorm(kernel::SquareNormOp op, PointerOf pointerOf);
mlir::FailureOr<KernelBody> emitMetrics(kernel::MetricsOp op, PointerOf pointerOf);

/// Texts of device/: templates in CUDA C++.
namespace device {
extern const llvm::StringLiteral prelude, attention, attention_mma, contract, mma, contract_mma,
    contract_interleaved, reduce;
} // namespace device

} // namespace danaus::cuda
