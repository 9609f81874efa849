// CUDA kernels against the reference interpreter: random small models, the whole training and
// evaluation step on the virtual GPU, where every check must be silent: a finding fails the run.
// With DANAUS_TEST_DEVICE=cuda on a real one.
#include "runtime/nvrtc/Nvrtc.h"
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

} // namespace
