// train.dtype bf16 against the reference interpreter, which rounds exactly as nn.round says:
// on every instruction set of this machine, the matrix unit's included, one and two threads.
#include "test/compiler/target/RandomSpecs.h"
#include "test/compiler/target/StepTesting.h"

#include <set>

using namespace danaus;
using namespace danaus::test;

namespace {

/// A value next to the middle of two bfloat16 numbers may be rounded to the one by float32 sums and
/// to the other by the interpreter's double sums: 2^-8 of an operand, in few of them. It moves sums
/// by less than that, and the roundings behind it likewise.
constexpr double Loose = 1.0 / 128;

void expectStepsAgree(const std::string &text, unsigned seed, const std::vector<std::string> &isas,
                      double tolerance = Loose) {
  SCOPED_TRACE(text);
  Model model(text, seed % 3 == 0 ? Labels::Mixed : Labels::Plain);
  ASSERT_TRUE(model.steps);
  auto arguments = randomStepArguments(model, seed);
  auto wanted = reference::interpret(model.step("train_step"), arguments);
  ASSERT_TRUE(succeeded(wanted));
  Folder folder;
  for (const std::string &isa : isas) {
    SCOPED_TRACE(isa);
    expectTrainSteps(compiled(model, folder, isa), arguments, *wanted, tolerance);
  }
}

/// The first seed on every instruction set, the others on the best or on another one: most of the
/// time goes into compiling.
std::vector<std::string> instructionSetsOf(unsigned seed) {
  std::vector<std::string> isas = instructionSets();
  if (seed == 0)
    return isas;
  return {seed % 4 ? isas.back() : isas[seed / 4 % isas.size()]};
}

class Bf16Models : public testing::TestWithParam<unsigned> {};
TEST_P(Bf16Models, StepsAgreeWithTheReference) {
  expectStepsAgree(RandomSpec(GetParam(), "bf16").text(), GetParam(),
                   instructionSetsOf(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Seeds, Bf16Models, testing::Range(0u, 16u));

/// float16 is rounded to by arithmetic everywhere. Its operands are wrong by an eighth of
/// bfloat16's.
class F16Models : public testing::TestWithParam<unsigned> {};
TEST_P(F16Models, StepsAgreeWithTheReference) {
  expectStepsAgree(RandomSpec(GetParam(), "fp16").text(), GetParam(),
                   {instructionSets()[GetParam() % instructionSets().size()]}, Loose / 4);
}
INSTANTIATE_TEST_SUITE_P(Seeds, F16Models, testing::Range(0u, 6u));

/// A scaled gradient that is not finite changes nothing.
TEST(F16Overflow, LeavesParametersAndStates) {
  Model model(RandomSpec(1, "fp16").text());
  ASSERT_TRUE(model.steps);
  auto arguments = randomStepArguments(model, 1);
  Folder folder;
  Loaded loaded(compiled(model, folder, instructionSets().back()), 1);
  ASSERT_TRUE(loaded.executor);
  Executor &executor = *loaded.executor;
  auto updated = [&](float weight) {
    setArguments(executor, arguments);
    executor.control()[control::GradientWeight] = weight;
    std::span<float> parameter = executor.parameter(0);
    std::vector<float> before(parameter.begin(), parameter.end());
    EXPECT_TRUE(bool(executor.run(fb::ProgramKind::TrainStep)));
    parameter = executor.parameter(0);
    return std::vector<float>(parameter.begin(), parameter.end()) != before;
  };
  EXPECT_TRUE(updated(float(arguments[2].data[control::GradientWeight])));
  EXPECT_FALSE(updated(1e8f));
  EXPECT_FALSE(std::isfinite(executor.metrics()[metrics::GradNorm]));
}

class Bf16VisionModels : public testing::TestWithParam<unsigned> {};
TEST_P(Bf16VisionModels, StepsAgreeWithTheReference) {
  expectStepsAgree(RandomVision(GetParam(), "bf16").text(), GetParam(),
                   instructionSetsOf(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Seeds, Bf16VisionModels, testing::Range(0u, 10u));

/// More tokens than one tile of queries and of keys: attention rounds its operands too on the
/// matrix unit, the reference does not.
TEST(Bf16, LongSequencesAgreeWithTheReference) {
  expectStepsAgree("name: long\nmodel:\n  input: {shape: [1, 17, 17]}\n  layers:\n"
                   "    - patch_embed: {patch: 1, dim: 10}\n    - class_token\n"
                   "    - residual: [layer_norm, {attention: {name: attn, heads: 2}}]\n"
                   "    - select_token: 0\n    - linear: {name: head, out: 3}\n"
                   "data: {name: npy}\ntrain: {dtype: bf16, batch_size: 2}\n"
                   "optimizer: {type: sgd, lr: 0.1}\n",
                   1, {instructionSets().back()});
}

/// Sizes that end inside a tile of 16, a block of 32 and a pair of K, and several blocks of each.
struct Layers {
  const char *name, *layers, *structure;
  int64_t in, batch;
};
constexpr Layers layerCases[] = {
    {"Dense", "linear: {name: l, out: 10}", "", 64, 32},
    {"DenseOdd", "linear: {name: l, out: 37}", "", 131, 45},
    {"DenseTiny", "linear: {name: l, out: 2}", "", 1, 1},
    {"DenseLarge", "linear: {name: l, out: 300}", "", 200, 150},
    {"LowRank", "linear: {name: l, out: 70}", "low_rank, rank: 33", 90, 37},
    {"Monarch2", "linear: {name: l, out: 128}", "monarch, nblocks: 2", 64, 33},
    {"Monarch4", "linear: {name: l, out: 512}", "monarch, nblocks: 4", 256, 70},
    {"Monarch4Odd", "linear: {name: l, out: 132}", "monarch, nblocks: 4", 268, 17},
    {"Monarch4Ragged", "linear: {name: l, out: 131}", "monarch, nblocks: 4", 90, 17},
    {"Monarch8", "linear: {name: l, out: 96}", "monarch, nblocks: 8", 104, 40},
    {"Monarch16", "linear: {name: l, out: 320}", "monarch, nblocks: 16", 640, 9},
    {"Monarch32", "linear: {name: l, out: 64}", "monarch, nblocks: 32", 64, 9},
    {"Monarch3", "linear: {name: l, out: 48}", "monarch, nblocks: 3", 60, 20},
    {"DenseSamples", "linear: {name: l, out: 37}", "", 51, 293},
    {"Monarch4Samples", "linear: {name: l, out: 68}", "monarch, nblocks: 4", 92, 261},
};

class Bf16Layers : public testing::TestWithParam<Layers> {};
/// Small whole numbers are bfloat16 numbers, and so are their sums here: nothing is rounded, and
/// every instruction set gives the logits to the bit.
TEST_P(Bf16Layers, AreExactOnWholeNumbers) {
  Layers layers = GetParam();
  std::string text =
      "name: whole\nmodel:\n  input: {shape: [" + std::to_string(layers.in) +
      "]}\n  layers:\n    - " + layers.layers + "\n" +
      (*layers.structure
           ? "structure:\n  - {match: l, kind: " + std::string(layers.structure) + "}\n"
           : "") +
      "data: {name: npy}\ntrain: {dtype: bf16, batch_size: " + std::to_string(layers.batch) +
      "}\noptimizer: {type: sgd, lr: 1.0}\n";
  Model model(text);
  ASSERT_TRUE(model.steps);
  auto arguments = randomStepArguments(model, 1);
  for (size_t i = 0; i < arguments.size(); ++i)
    if (i == 0 || i > 2) // the input, and the parameters
      for (double &value : arguments[i].data)
        value = std::nearbyint(value * (i == 0 ? 2 : 3));
  arguments.resize(model.step("eval_step").getNumArguments());
  auto wanted = reference::interpret(model.step("eval_step"), arguments);
  ASSERT_TRUE(succeeded(wanted));
  auto trainArguments = arguments;
  auto wantedTrain = reference::interpret(model.step("train_step"), trainArguments);
  ASSERT_TRUE(succeeded(wantedTrain));
  Folder folder;
  std::vector<std::string> isas = instructionSets(); // the emulations are one code, more or less
  for (const std::string &isa : std::set<std::string>{isas.front(), isas.back()}) {
    SCOPED_TRACE(isa);
    Loaded loaded(compiled(model, folder, isa), 2);
    ASSERT_TRUE(loaded.executor);
    setArguments(*loaded.executor, trainArguments);
    ASSERT_TRUE(bool(loaded.executor->run(fb::ProgramKind::EvalStep)));
    EXPECT_EQ(errorOf(loaded.executor->logits(), (*wanted)[1]), 0);
    ASSERT_TRUE(bool(loaded.executor->run(fb::ProgramKind::TrainStep)));
    auto results = resultsOf(*loaded.executor);
    for (size_t i = 0; i < results.size(); ++i)
      EXPECT_LE(errorOf(results[i], (*wantedTrain)[i]), 1e-3) << "result " << i;
  }
}
INSTANTIATE_TEST_SUITE_P(Kinds, Bf16Layers, testing::ValuesIn(layerCases),
                         [](const auto &info) { return std::string(info.param.name); });

/// What the operands lose is seen: the logits are not those of float32.
TEST(Bf16, RoundsOperandsAndNothingElse) {
  auto text = [](const std::string &dtype) {
    return "name: one\nmodel:\n  input: {shape: [3]}\n  layers:\n    - linear: {name: l, out: 2}\n"
           "data: {name: npy}\ntrain: {batch_size: 1, dtype: " +
           dtype + "}\noptimizer: {type: sgd, lr: 0.1}\n";
  };
  Folder folder;
  for (const std::string &isa : instructionSets()) {
    SCOPED_TRACE(isa);
    Model model(text("bf16"));
    Loaded loaded(compiled(model, folder, isa), 1);
    ASSERT_TRUE(loaded.executor);
    Executor &executor = *loaded.executor;
    // 1 + 2^-8 lies in the middle and goes to the even 1; 1 + 3 2^-8 to 1 + 2^-6; the bias stays.
    float halfway = 1 + 1.0f / 256, above = 1 + 3.0f / 256, infinity = INFINITY;
    copyTo(executor.input(), reference::Tensor({1, 3}, {halfway, above, -halfway}));
    copyTo(executor.parameter(0), reference::Tensor({2, 3}, {1, 0, 0, 0, 1, above}));
    copyTo(executor.parameter(1), reference::Tensor({2}, {halfway, 0}));
    ASSERT_TRUE(bool(executor.run(fb::ProgramKind::EvalStep)));
    EXPECT_EQ(executor.logits()[0], 1 + halfway);
    EXPECT_EQ(executor.logits()[1], 0);
    executor.input()[0] = infinity;
    executor.input()[1] = NAN;
    ASSERT_TRUE(bool(executor.run(fb::ProgramKind::EvalStep)));
    EXPECT_TRUE(std::isnan(executor.logits()[0])); // a zero weight times NaN
    EXPECT_TRUE(std::isnan(executor.logits()[1]));
  }
}

} // namespace
