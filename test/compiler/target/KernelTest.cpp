// Machine code against the reference interpreter: random small models, the whole training and
// evaluation step, every instruction set of this machine, one and two threads.
#include "test/compiler/target/RandomSpecs.h"
#include "test/compiler/target/StepTesting.h"

using namespace danaus;
using namespace danaus::test;

namespace {

/// Both steps of the spec's model on these instruction sets and two numbers of threads.
void expectStepsAgree(const std::string &text, unsigned seed,
                      const std::vector<std::string> &isas = instructionSets()) {
  SCOPED_TRACE(text);
  Model model(text, seed % 3 == 0 ? Labels::Mixed : Labels::Plain);
  ASSERT_TRUE(model.steps);
  auto arguments = randomStepArguments(model, seed);
  auto wanted = reference::interpret(model.step("train_step"), arguments);
  auto evalArguments = arguments;
  evalArguments.resize(model.step("eval_step").getNumArguments());
  auto wantedEval = reference::interpret(model.step("eval_step"), evalArguments);
  ASSERT_TRUE(succeeded(wanted) && succeeded(wantedEval));
  Folder folder;
  for (const std::string &isa : isas) {
    SCOPED_TRACE(isa);
    expectTrainSteps(compiled(model, folder, isa), arguments, *wanted, 3e-4,
                     [&](Executor &executor) {
                       EXPECT_EQ(executor.mixWeight().empty(), seed % 3 != 0);
                       ASSERT_TRUE(bool(executor.run(fb::ProgramKind::EvalStep)));
                       EXPECT_LE(errorOf(executor.metrics(), (*wantedEval)[0]), 1e-4);
                       EXPECT_LE(errorOf(executor.logits(), (*wantedEval)[1]), 1e-4);
                     });
  }
}

class RandomModels : public testing::TestWithParam<unsigned> {};
TEST_P(RandomModels, StepsAgreeWithTheReference) {
  expectStepsAgree(RandomSpec(GetParam()).text(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomModels, testing::Range(0u, 30u));

/// More tokens than one tile of queries, and than one of keys; the last tiles are short.
class LongSequences : public testing::TestWithParam<int> {};
TEST_P(LongSequences, StepsAgreeWithTheReference) {
  std::string side = std::to_string(GetParam());
  expectStepsAgree(
      "name: long\nmodel:\n  input: {shape: [1, " + side + ", " + side +
          "]}\n  layers:\n    - patch_embed: {patch: 1, dim: 10}\n    - class_token\n"
          "    - residual: [layer_norm, {attention: {name: attn, heads: 2}}]\n"
          "    - select_token: 0\n    - linear: {name: head, out: 3}\n"
          "data: {name: npy}\ntrain: {batch_size: 2}\noptimizer: {type: sgd, lr: 0.1}\n",
      1);
}
INSTANTIATE_TEST_SUITE_P(Sides, LongSequences, testing::Values(7, 17, 23));

/// Gradients of weights over so many rows that they are summed in stretches: with and without a
/// short last one, blocks and slabs of columns that are cut, groups of Monarch's, padding, all
/// structures.
class LongSums : public testing::TestWithParam<int> {};
TEST_P(LongSums, StepsAgreeWithTheReference) {
  expectStepsAgree("name: sums\nmodel:\n  input: {shape: [41]}\n  layers:\n"
                   "    - linear: {name: a, out: 70, activation: relu}\n"
                   "    - linear: {name: b, out: 64}\n"
                   "    - linear: {name: c, out: 144, activation: gelu}\n"
                   "    - linear: {name: d, out: 270}\n"
                   "    - linear: {name: e, out: 37}\n"
                   "    - linear: {name: head, out: 33}\n"
                   "structure:\n"
                   "  - {match: b, kind: monarch, nblocks: 2}\n"
                   "  - {match: c, kind: monarch, nblocks: 4}\n"
                   "  - {match: d, kind: low_rank, rank: 35}\n"
                   "  - {match: e, kind: monarch, nblocks: 4}\n"
                   "data: {name: npy}\ntrain: {batch_size: " +
                       std::to_string(GetParam()) + "}\noptimizer: {type: sgd, lr: 0.1}\n",
                   1);
}
INSTANTIATE_TEST_SUITE_P(Rows, LongSums, testing::Values(521, 600));

/// Few rows and many weights: products by columns, forward and backward, and what is left over of
/// rows, columns and K; between two of them and before the first stands nothing, or a chain.
TEST(ManyWeights, StepsAgreeWithTheReference) {
  expectStepsAgree("name: weights\nmodel:\n  input: {shape: [1201]}\n  layers:\n"
                   "    - linear: {name: a, out: 71, activation: relu}\n"
                   "    - linear: {name: b, out: 930, activation: gelu}\n"
                   "    - linear: {name: c, out: 85, activation: relu}\n"
                   "    - linear: {name: head, out: 3}\n"
                   "data: {name: npy}\ntrain: {batch_size: 30}\noptimizer: {type: sgd, lr: 0.1}\n",
                   1);
}

class RandomVisionModels : public testing::TestWithParam<unsigned> {};
/// The first on every instruction set, the others on one each: most of the time goes into
/// compiling.
TEST_P(RandomVisionModels, StepsAgreeWithTheReference) {
  std::vector<std::string> isas = instructionSets();
  if (GetParam() > 3)
    isas = {isas[GetParam() % isas.size()]};
  expectStepsAgree(RandomVision(GetParam()).text(), GetParam(), isas);
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomVisionModels, testing::Range(0u, 20u));

TEST(Step, ALossThatIsNotFiniteLeavesEverythingAsItWas) {
  Model model("name: diverged\nmodel:\n  input: {shape: [20]}\n  layers:\n    - linear: {out: 12, "
              "activation: relu}\n"
              "    - linear: {out: 5}\ndata: {name: fashion_mnist}\ntrain: {batch_size: 8}\n"
              "optimizer: {type: adamw, lr: 0.01, weight_decay: 0.1}\n");
  ASSERT_TRUE(model.steps);
  auto arguments = randomStepArguments(model, 1);
  arguments[0].data[3] = NAN;
  Folder folder;
  for (const std::string &isa : instructionSets()) {
    Loaded loaded(compiled(model, folder, isa), 2);
    ASSERT_TRUE(loaded.executor);
    setArguments(*loaded.executor, arguments);
    auto before = resultsOf(*loaded.executor);
    ASSERT_TRUE(bool(loaded.executor->run(fb::ProgramKind::TrainStep)));
    auto after = resultsOf(*loaded.executor);
    EXPECT_TRUE(std::isnan(after.back()[metrics::Loss]));
    for (size_t i = 0; i + 1 < after.size(); ++i)
      EXPECT_EQ(std::memcmp(after[i].data(), before[i].data(), 4 * before[i].size()), 0)
          << "result " << i;
  }
}

} // namespace
