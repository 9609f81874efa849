// Bars on what kernels do to memory, counted on the virtual GPU: exact numbers, no times. The fused
// Monarch linear 768 -> 3072, forward, in float32 and bfloat16.
#include "test/compiler/target/cuda/KernelTesting.h"

using namespace danaus;
using namespace danaus::test;

namespace {

std::string monarchSpec(const char *dtype) {
  return std::string(
             "name: m\nmodel:\n  input: {shape: [768]}\n  layers:\n    - linear: {name: fc, out: "
             "3072}\n"
             "structure:\n  - {match: fc, kind: monarch, nblocks: 4}\ndata: {name: npy, dir: .}\n"
             "train: {batch_size: 3456, dtype: ") +
         dtype + "}\noptimizer: {type: sgd, lr: 0.1}\n";
}

class Monarch : public testing::TestWithParam<const char *> {};

/// Rows enough that a launch fills a GPU; the virtual GPU runs them all.
TEST_P(Monarch, ForwardIsOneLaunchWithTheLeastTraffic) {
  if (auto nvrtc = describeNvrtc(); !nvrtc)
    GTEST_SKIP() << nvrtc.error().message();
  CudaKernels kernels(monarchSpec(GetParam()), "sm_80");
  // The last chain is that of evaluation: the hidden layer does not leave it.
  const cuda::KernelSource *chain = nullptr;
  for (const cuda::KernelSource &source : kernels.sources)
    if (source.symbol.starts_with("chain_"))
      chain = &source;
  ASSERT_TRUE(chain);
  auto function = kernels.module->lookupSymbol<mlir::func::FuncOp>(chain->symbol);
  uint64_t ideal = 0;
  for (mlir::Type type : function.getArgumentTypes())
    ideal += CudaKernels::bytesOf(type);
  for (mlir::Type type : function.getResultTypes())
    ideal += CudaKernels::bytesOf(type);
  CudaKernels::Run run = kernels.run(*chain);
  ASSERT_EQ(run.error, "");
  EXPECT_TRUE(run.findings.empty()) << run.findings.front().text;
  const vgpu::LaunchCounters &c = run.counters;
  EXPECT_LE(double(c.uniqueReadBytes + c.uniqueWrittenBytes), 1.05 * double(ideal));
  EXPECT_EQ(c.globalSectors, c.idealGlobalSectors);
  EXPECT_LE(double(c.sharedWaves), 1.1 * double(c.idealSharedWaves));
  EXPECT_EQ(run.spillBytes, 0u);
  EXPECT_EQ(c.divergentBranches, 0u);
  uint64_t macs = uint64_t(3456) * (768 * 192 + 3072 * 192);
  EXPECT_EQ(c.tensorFlops, std::string(GetParam()) == "bf16" ? 2 * macs : 0);
}
INSTANTIATE_TEST_SUITE_P(Types, Monarch, testing::Values("f32", "bf16"));

/// Every product of a training step through a Monarch linear, forward and backward, and the sums of
/// biases' gradients: each byte that must move moves once, and no access asks for more sectors than
/// its bytes fill. With GELU in 16 bits, what is kept of its input and its gradient has 16 bits
/// too.
struct Geometry {
  int in, out;
  const char *dtype, *activation = "";
};
class MonarchStep : public testing::TestWithParam<Geometry> {};
TEST_P(MonarchStep, ProductsMoveNoMoreThanTheyMust) {
  if (auto nvrtc = describeNvrtc(); !nvrtc)
    GTEST_SKIP() << nvrtc.error().message();
  auto [in, out, dtype, activation] = GetParam();
  CudaKernels kernels(
      "name: m\nmodel:\n  input: {shape: [" + std::to_string(in) +
          "]}\n  layers:\n    - layer_norm\n    - linear: {name: fc, out: " + std::to_string(out) +
          activation +
          "}\n    - linear: {name: head, out: 8}\nstructure:\n  - {match: fc, kind: "
          "monarch, nblocks: 4}\ndata: {name: npy, dir: .}\ntrain: {batch_size: 96, "
          "dtype: " +
          dtype + "}\noptimizer: {type: sgd, lr: 0.1}\n",
      "sm_80");
  size_t products = 0;
  for (const cuda::KernelSource &source : kernels.sources) {
    bool isReduce = llvm::StringRef(source.symbol).starts_with("reduce_");
    if (!source.symbol.starts_with("chain_") && !source.symbol.starts_with("contract_") &&
        !(isReduce && *activation))
      continue;
    SCOPED_TRACE(source.symbol);
    products += !isReduce;
    auto function = kernels.module->lookupSymbol<mlir::func::FuncOp>(source.symbol);
    uint64_t least = 0;
    auto types =
        llvm::concat<const mlir::Type>(function.getArgumentTypes(), function.getResultTypes());
    for (mlir::Type type : types) {
      least += CudaKernels::bytesOf(type);
      auto shaped = mlir::cast<mlir::ShapedType>(type);
      if (*activation && shaped.getShape() == llvm::ArrayRef<int64_t>{96, out})
        EXPECT_EQ(shaped.getElementTypeBitWidth(), 16u);
    }
    CudaKernels::Run run = kernels.run(source);
    ASSERT_EQ(run.error, "");
    EXPECT_TRUE(run.findings.empty()) << run.findings.front().text;
    const vgpu::LaunchCounters &c = run.counters;
    EXPECT_LE(double(c.uniqueReadBytes + c.uniqueWrittenBytes), 1.05 * double(least));
    EXPECT_LE(double(c.globalSectors), 1.01 * double(c.idealGlobalSectors));
    EXPECT_LE(double(c.sharedWaves), 2.5 * double(c.idealSharedWaves));
    EXPECT_EQ(run.spillBytes, 0u);
  }
  EXPECT_GE(products, 4u);
}
INSTANTIATE_TEST_SUITE_P(Geometries, MonarchStep,
                         testing::Values(Geometry{768, 768, "f32"}, Geometry{768, 3072, "bf16"},
                                         Geometry{3072, 768, "fp16"},
                                         Geometry{768, 3072, "bf16", ", activation: gelu"}));

/// The vector code of the virtual GPU against one lane after another: every kernel of a model with
/// attention, norms, Monarch and low-rank factors, in float32 and on tensor cores.
class OneByOne : public testing::TestWithParam<const char *> {};
TEST_P(OneByOne, GivesTheSameBits) {
  if (auto nvrtc = describeNvrtc(); !nvrtc)
    GTEST_SKIP() << nvrtc.error().message();
  CudaKernels kernels(
      std::string(
          "name: t\nmodel:\n  input: {shape: [1, 6, 7]}\n  layers:\n    - patch_embed: {patch: 1, "
          "dim: 16}\n    - residual: [layer_norm, {attention: {name: attn, heads: 2}}]\n    - "
          "residual: [layer_norm, {linear: {name: a, out: 32}}, gelu, {linear: {name: b, out: "
          "16}}]\n    - mean_tokens\n    - linear: {name: head, out: 3}\nstructure:\n  - {match: "
          "a, "
          "kind: monarch, nblocks: 2}\n  - {match: b, kind: low_rank, rank: 8}\ndata: {name: "
          "npy, dir: .}\ntrain: {batch_size: 2, clip_grad_norm: 1.0, dtype: ") +
          GetParam() + "}\noptimizer: {type: adamw, lr: 0.1}\n",
      "sm_80");
  ASSERT_FALSE(kernels.sources.empty());
  for (const cuda::KernelSource &source : kernels.sources) {
    SCOPED_TRACE(source.symbol);
    CudaKernels::Run vectors = kernels.run(source), lanes = kernels.run(source, 0, true);
    EXPECT_EQ(vectors.error, "");
    EXPECT_EQ(lanes.error, "");
    EXPECT_TRUE(vectors.results == lanes.results);
    EXPECT_EQ(vectors.counters.threadInstructions, lanes.counters.threadInstructions);
    EXPECT_EQ(vectors.counters.uniqueReadBytes, lanes.counters.uniqueReadBytes);
  }
}
INSTANTIATE_TEST_SUITE_P(Types, OneByOne, testing::Values("f32", "fp16"));

} // namespace
