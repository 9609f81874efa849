// CUDA kernels against the reference interpreter: random small models, the whole training and
// evaluation step on the virtual GPU, where every check must be silent: a finding fails the run.
// With DANAUS_TEST_DEVICE=cuda on a real one.
#include "runtime/measure/Measure.h"
#include "runtime/nvrtc/Nvrtc.h"
#include "runtime/plan/Control.h"
#include "test/compiler/target/RandomSpecs.h"
#include "test/compiler/target/StepTesting.h"

#include <cstdlib>

using namespace danaus;
using namespace danaus::test;

namespace {

/// The virtual GPU of this process is configured once; PTX for older architectures runs on it too.
class CudaStep : public testing::TestWithParam<unsigned> {
protected:
  static void SetUpTestSuite() { setenv("DANAUS_VGPU", "sm_100,seed=11", 1); }
  void SetUp() override {
    if (auto nvrtc = describeNvrtc(); !nvrtc)
      GTEST_SKIP() << nvrtc.error().message();
    if (auto device = builtinDevices().create(kind()); !device)
      GTEST_SKIP() << device.error().message();
  }

  static std::string kind() {
    const char *name = std::getenv("DANAUS_TEST_DEVICE");
    return name ? name : "vgpu";
  }

  /// One architecture a seed: most of the time goes into NVRTC.
  std::string archOf(unsigned seed) const {
    const char *const archs[] = {"sm_75", "sm_80", "sm_90", "sm_100"};
    return archs[seed % 4];
  }

  void expectStepsAgree(const std::string &text, unsigned seed, const std::string &arch,
                        double tolerance) {
    SCOPED_TRACE(text + arch);
    Model model(text, seed % 3 == 0 ? Labels::Mixed : Labels::Plain);
    ASSERT_TRUE(model.steps);
    auto arguments = randomStepArguments(model, seed);
    auto wanted = reference::interpret(model.step("train_step"), arguments);
    auto evalArguments = arguments;
    evalArguments.resize(model.step("eval_step").getNumArguments());
    auto wantedEval = reference::interpret(model.step("eval_step"), evalArguments);
    ASSERT_TRUE(succeeded(wanted) && succeeded(wantedEval));
    Folder folder;
    Loaded loaded(compiled(model, folder, {"cuda", arch}), 1, kind());
    ASSERT_TRUE(loaded.executor);
    Executor &executor = *loaded.executor;
    setArguments(executor, arguments);
    run(executor, fb::ProgramKind::EvalStep);
    EXPECT_LE(errorOf(executor.metrics(), (*wantedEval)[0]), tolerance);
    EXPECT_LE(errorOf(executor.logits(), (*wantedEval)[1]), tolerance);
    run(executor, fb::ProgramKind::TrainStep);
    expectResults(executor, *wanted, tolerance);
  }

private:
  static void run(Executor &executor, fb::ProgramKind kind) {
    Status status = executor.run(kind);
    EXPECT_TRUE(bool(status)) << status.error().message();
  }
};

class CudaModels : public CudaStep {};
TEST_P(CudaModels, StepsAgreeWithTheReference) {
  expectStepsAgree(RandomSpec(GetParam()).text(), GetParam(), archOf(GetParam()), 3e-4);
}
INSTANTIATE_TEST_SUITE_P(Seeds, CudaModels, testing::Range(0u, 8u));

class CudaVisionModels : public CudaStep {};
TEST_P(CudaVisionModels, StepsAgreeWithTheReference) {
  expectStepsAgree(RandomVision(GetParam()).text(), GetParam(), archOf(GetParam()), 3e-4);
}
INSTANTIATE_TEST_SUITE_P(Seeds, CudaVisionModels, testing::Range(0u, 5u));

/// Tensor cores; on sm_75 rounding in float32. The tolerance is that of Bf16Test.cpp.
class CudaBf16Models : public CudaStep {};
TEST_P(CudaBf16Models, StepsAgreeWithTheReference) {
  expectStepsAgree(RandomSpec(GetParam(), "bf16").text(), GetParam(), archOf(GetParam()),
                   1.0 / 128);
}
INSTANTIATE_TEST_SUITE_P(Seeds, CudaBf16Models, testing::Range(0u, 8u));

/// Tensor cores everywhere; on sm_75 without cp.async, half a product at a time.
class CudaF16Models : public CudaStep {};
TEST_P(CudaF16Models, StepsAgreeWithTheReference) {
  expectStepsAgree(RandomSpec(GetParam(), "fp16").text(), GetParam(), archOf(GetParam()),
                   1.0 / 512);
}
INSTANTIATE_TEST_SUITE_P(Seeds, CudaF16Models, testing::Range(0u, 8u));

/// Monarch layers whose groups lie side by side in memory, in tiles and beyond them: gradients of
/// weights come from operands of several blocks at a time (device/contract_interleaved.cuh).
struct Groups {
  int nblocks, in, out, batch;
  const char *dtype, *arch;
};
class CudaGroups : public CudaStep {};
TEST_P(CudaGroups, StepsAgreeWithTheReference) {
  constexpr Groups cases[] = {
      {2, 64, 128, 40, "bf16", "sm_80"},  {4, 256, 320, 33, "bf16", "sm_90"},
      {8, 128, 192, 70, "fp16", "sm_80"}, {16, 256, 512, 9, "fp16", "sm_75"},
      {4, 128, 128, 64, "fp16", "sm_75"},
  };
  const Groups &own = cases[GetParam()];
  std::string text =
      "name: m\nmodel:\n  input: {shape: [" + std::to_string(own.in) +
      "]}\n  layers:\n    - linear: {name: a, out: " + std::to_string(own.out) +
      "}\n    - relu\n    - linear: {name: b, out: 10}\nstructure:\n  - {match: a, kind: monarch, "
      "nblocks: " +
      std::to_string(own.nblocks) +
      "}\ndata: {name: npy}\ntrain: {batch_size: " + std::to_string(own.batch) +
      ", dtype: " + own.dtype + "}\noptimizer: {type: sgd, lr: 0.1}\n";
  expectStepsAgree(text, GetParam(), own.arch, 1.0 / 128);
}
INSTANTIATE_TEST_SUITE_P(Cases, CudaGroups, testing::Range(0u, 5u));

/// Attention alone, forward and backward: heads of 1 to 131 columns, primes among them, less than a
/// tile of tokens, exactly one, one more, and several; in float32 and on tensor cores.
struct AttentionCase {
  int height, width, heads, headSize;
  const char *dtype, *arch;
};
class CudaAttention : public CudaStep {};
TEST_P(CudaAttention, StepsAgreeWithTheReference) {
  constexpr AttentionCase cases[] = {
      {1, 1, 1, 1, "f32", "sm_75"},     {3, 7, 2, 17, "f32", "sm_80"},
      {9, 9, 1, 128, "f32", "sm_90"},   {1, 1, 3, 1, "bf16", "sm_80"},
      {7, 9, 2, 16, "bf16", "sm_80"},   {5, 13, 3, 7, "bf16", "sm_100"},
      {11, 13, 1, 64, "bf16", "sm_90"}, {7, 11, 1, 65, "bf16", "sm_80"},
      {6, 7, 1, 96, "fp16", "sm_75"},   {5, 9, 2, 128, "bf16", "sm_80"},
      {2, 3, 1, 131, "bf16", "sm_80"},  {8, 8, 2, 31, "fp16", "sm_75"},
      {2, 5, 4, 24, "fp16", "sm_80"},   {13, 17, 2, 8, "fp16", "sm_90"},
  };
  const AttentionCase &own = cases[GetParam()];
  std::string text =
      "name: a\nmodel:\n  input: {shape: [1, " + std::to_string(own.height) + ", " +
      std::to_string(own.width) + "]}\n  layers:\n    - patch_embed: {patch: 1, dim: " +
      std::to_string(own.heads * own.headSize) +
      "}\n    - class_token\n    - position_embedding\n    - attention: {name: attn, heads: " +
      std::to_string(own.heads) +
      "}\n    - select_token: 0\n    - linear: {name: head, out: 5}\ndata: {name: npy}\ntrain: "
      "{batch_size: 2, dtype: " +
      own.dtype + "}\noptimizer: {type: sgd, lr: 0.1}\n";
  expectStepsAgree(text, 3 * GetParam() + 1, own.arch,
                   std::string(own.dtype) == "f32" ? 3e-4 : 1.0 / 64);
}
INSTANTIATE_TEST_SUITE_P(Cases, CudaAttention, testing::Range(0u, 14u));

/// The gradient of every parameter, on the CPU and here: what disagrees names its layer.
struct Structured {
  const char *name, *structure, *dtype;
  double tolerance;
};
class CudaLayerByLayer : public testing::TestWithParam<Structured> {};
TEST_P(CudaLayerByLayer, AgreesWithTheCpu) {
  if (auto nvrtc = describeNvrtc(); !nvrtc)
    GTEST_SKIP() << nvrtc.error().message();
  Structured own = GetParam();
  std::string text =
      "name: vit\nmodel:\n  input: {shape: [1, 12, 12]}\n  layers:\n    - patch_embed: {patch: 4, "
      "dim: 32}\n    - class_token\n    - position_embedding\n    - repeat: 2\n      name: "
      "blocks\n     "
      " layers:\n        - residual: [layer_norm, {attention: {name: attn, heads: 2}}]\n        - "
      "residual: [layer_norm, {mlp: {name: mlp, hidden: 64, activation: gelu}}]\n    - "
      "layer_norm\n   "
      " - select_token: 0\n    - linear: {name: head, out: 10}\nstructure:\n  - {match: "
      "blocks.*, " +
      std::string(own.structure) +
      "}\ndata: {name: npy}\ntrain: {batch_size: 8, accumulate: 2, dtype: " + own.dtype +
      "}\noptimizer: {type: sgd, lr: 0.1}\n";
  Model model(text);
  ASSERT_TRUE(model.steps);
  Folder folder;
  Loaded cpu(compiled(model, folder, instructionSets().back()), 1);
  Loaded gpu(compiled(model, folder, Target{"cuda", "sm_80"}), 1, "vgpu");
  ASSERT_TRUE(cpu.executor && gpu.executor);
  for (Executor *executor : {cpu.executor.get(), gpu.executor.get()}) {
    ASSERT_TRUE(bool(prepareMeasurement(*executor, Measured::Update)));
    executor->control()[control::FirstMicroBatch] = 1;
    Status status = executor->run(fb::ProgramKind::GradientStep);
    ASSERT_TRUE(bool(status)) << status.error().message();
  }
  for (size_t i = 0; i < cpu.executor->parameterCount(); ++i) {
    std::span<float> wanted = cpu.executor->gradient(i);
    reference::Tensor tensor({int64_t(wanted.size())});
    tensor.data.assign(wanted.begin(), wanted.end());
    EXPECT_LE(errorOf(gpu.executor->gradient(i), tensor), own.tolerance)
        << cpu.executor->parameterInfo(i).name()->str();
  }
}
INSTANTIATE_TEST_SUITE_P(
    Structures, CudaLayerByLayer,
    testing::Values(Structured{"LowRank", "kind: low_rank, rank: 8", "f32", 2e-4},
                    Structured{"Monarch", "kind: monarch, nblocks: 4", "f32", 2e-4},
                    Structured{"MonarchBf16", "kind: monarch, nblocks: 4", "bf16", 1.0 / 32}),
    [](const auto &info) { return std::string(info.param.name); });

} // namespace
