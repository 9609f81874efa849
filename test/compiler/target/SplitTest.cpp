// float32 on the matrix unit, in six products of bfloat16 terms: steps against those of AVX-512
// (the interpreter would take minutes), sizes that end inside tiles, blocks and stretches of K; and
// no less exact than fused multiply-adds.
#include "test/compiler/target/StepTesting.h"

#include "llvm/Support/raw_ostream.h"

using namespace danaus;
using namespace danaus::test;

namespace {

/// A layer between two small ones, so that the gradients of its input and its weights are there.
struct Layers {
  const char *name, *layer, *structure;
  int64_t in, batch;
  int products; ///< at least so many of its contractions are split
};
constexpr Layers layerCases[] = {
    {"Dense", "linear: {name: l, out: 320}", "", 256, 256, 3},
    {"DenseOdd", "linear: {name: l, out: 317}", "", 203, 269, 3},
    {"DenseWide", "linear: {name: l, out: 1610}", "", 96, 257, 3},
    {"DenseDeep", "linear: {name: l, out: 250}", "", 1100, 300, 3},
    {"DenseManyRows", "linear: {name: l, out: 130}", "", 140, 1030, 3},
    {"LowRank", "linear: {name: l, out: 280}", "low_rank, rank: 80", 290, 258, 5},
    {"Monarch2", "linear: {name: l, out: 256}", "monarch, nblocks: 2", 512, 261, 5},
    {"Monarch4", "linear: {name: l, out: 1024}", "monarch, nblocks: 4", 512, 290, 5},
    {"Monarch4Odd", "linear: {name: l, out: 1020}", "monarch, nblocks: 4", 780, 275, 3},
    {"Monarch8", "linear: {name: l, out: 1536}", "monarch, nblocks: 8", 1152, 270, 4},
    {"DenseShallow", "linear: {name: l, out: 48}", "", 96, 1024, 3},
    {"BlockDiagonal", "linear: {name: l, out: 512}", "block_diagonal, nblocks: 4", 512, 259, 3},
};

std::string specOf(const Layers &layers) {
  return "name: split\nmodel:\n  input: {shape: [5]}\n  layers:\n    - linear: {name: a, out: " +
         std::to_string(layers.in) + "}\n    - relu\n    - " + layers.layer +
         "\n    - relu\n    - linear: {name: z, out: 10}\n" +
         (*layers.structure
              ? "structure:\n  - {match: l, kind: " + std::string(layers.structure) + "}\n"
              : "") +
         "data: {name: npy}\ntrain: {batch_size: " + std::to_string(layers.batch) +
         "}\noptimizer: {type: sgd, lr: 100.0}\n"; // gradients outweigh the weights
}

/// How many contractions of @train_step are split, on the way to code for AMX.
int splitProducts(Model &model) {
  auto kernels = model.imported->clone();
  mlir::OwningOpRef<mlir::ModuleOp> owner(kernels);
  mlir::TimingScope untimed;
  EXPECT_TRUE(succeeded(runPhases(kernels, Stage::Kernels, Target{"cpu", "amx"}, untimed)));
  std::string text;
  llvm::raw_string_ostream stream(text);
  kernels.lookupSymbol<mlir::func::FuncOp>("train_step").print(stream);
  int count = 0;
  for (size_t at = 0; (at = text.find(" matrix_unit", at)) != std::string::npos; ++at)
    ++count;
  return count;
}

class SplitLayers : public testing::TestWithParam<Layers> {};
TEST_P(SplitLayers, StepsAgreeWithFusedMultiplyAdds) {
  Model model(specOf(GetParam()));
  ASSERT_TRUE(model.steps);
  EXPECT_GE(splitProducts(model), GetParam().products);
  if (!cpu::hostIsa().matrixUnit)
    GTEST_SKIP() << "this processor has no matrix unit";
  auto arguments = randomStepArguments(model, 1);
  Folder folder;
  Loaded fused(compiled(model, folder, "avx512"), 2);
  ASSERT_TRUE(fused.executor);
  setArguments(*fused.executor, arguments);
  ASSERT_TRUE(bool(fused.executor->run(fb::ProgramKind::TrainStep)));
  std::vector<reference::Tensor> wanted;
  for (const std::vector<float> &result : resultsOf(*fused.executor))
    wanted.emplace_back(std::vector<int64_t>{int64_t(result.size())},
                        std::vector<double>(result.begin(), result.end()));
  expectTrainSteps(compiled(model, folder, "amx"), arguments, wanted, 2e-5);
}
INSTANTIATE_TEST_SUITE_P(Kinds, SplitLayers, testing::ValuesIn(layerCases),
                         [](const auto &info) { return std::string(info.param.name); });

/// The largest error of a product of numbers of very different sizes (2^least to 2^most), over the
/// sum of the sizes of its terms.
double errorOn(const std::string &isa, Model &model, int least, int most) {
  std::vector<reference::Tensor> arguments = randomStepArguments(model, 7);
  std::mt19937 random(3);
  std::uniform_int_distribution<int> power(least, most);
  for (size_t i : {size_t(0), size_t(3)}) // the input and the weight
    for (double &value : arguments[i].data)
      value = float(std::ldexp(value, power(random)));
  Folder folder;
  Loaded loaded(compiled(model, folder, isa), 2);
  EXPECT_TRUE(loaded.executor);
  setArguments(*loaded.executor, arguments);
  EXPECT_TRUE(bool(loaded.executor->run(fb::ProgramKind::EvalStep)));
  auto logits = loaded.executor->logits();
  const auto &x = arguments[0], &w = arguments[3], &bias = arguments[4];
  int64_t rows = x.shape[0], depth = x.shape[1], columns = w.shape[0];
  double worst = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      double sum = float(bias.data[c]), size = std::abs(sum);
      for (int64_t k = 0; k < depth; ++k) {
        double term = x.data[r * depth + k] * w.data[c * depth + k];
        sum += term, size += std::abs(term);
      }
      double error = std::abs(logits[r * columns + c] - sum) / size;
      worst = !(error <= worst) ? error : worst;
    }
  return worst;
}

TEST(Split, IsAsExactAsFusedMultiplyAdds) {
  if (!cpu::hostIsa().matrixUnit)
    GTEST_SKIP() << "this processor has no matrix unit";
  Model model(
      "name: exact\nmodel:\n  input: {shape: [777]}\n  layers:\n    - linear: {name: l, out: "
      "200}\ndata: {name: npy}\ntrain: {batch_size: 288}\noptimizer: {type: sgd, lr: 1.0}\n");
  ASSERT_TRUE(model.steps);
  ASSERT_GE(splitProducts(model), 1);
  // The second time numbers near the least normal one and below stand beside others.
  double split = errorOn("amx", model, -20, 20), fused = errorOn("avx512", model, -20, 20);
  EXPECT_LE(split, 1.5 * fused);
  EXPECT_LE(split, 0x1p-20);
  // Numbers near the least normal one and below leave the others as they are.
  EXPECT_LE(errorOn("amx", model, -149, 0), 0x1p-20);
}

/// What is not finite is not hidden: training stops on it as elsewhere.
TEST(Split, KeepsWhatIsNotFinite) {
  if (!cpu::hostIsa().matrixUnit)
    GTEST_SKIP() << "this processor has no matrix unit";
  Model model(specOf(layerCases[0]));
  ASSERT_TRUE(model.steps);
  Folder folder;
  Loaded loaded(compiled(model, folder, "amx"), 1);
  ASSERT_TRUE(loaded.executor);
  auto arguments = randomStepArguments(model, 1);
  setArguments(*loaded.executor, arguments);
  for (float bad : {INFINITY, NAN, 3e38f}) {
    loaded.executor->parameter(2)[5] = bad; // a weight of the layer
    ASSERT_TRUE(bool(loaded.executor->run(fb::ProgramKind::EvalStep)));
    bool finite = true;
    for (float logit : loaded.executor->logits())
      finite &= std::isfinite(logit);
    EXPECT_EQ(finite, bad == 3e38f && finite) << bad;
  }
}

} // namespace
