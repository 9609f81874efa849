// Machine code against the reference interpreter: random small models, the whole training and
// evaluation step, every instruction set of this machine, one and two threads.
#include "test/compiler/target/StepTesting.h"

using namespace danaus;
using namespace danaus::test;

namespace {

/// A random spec: dense, low-rank and Monarch layers of awkward sizes, any optimizer.
class RandomSpec {
public:
  explicit RandomSpec(unsigned seed) : random(seed) {}

  std::string text() {
    int64_t batch = pick({1, 2, 7, 16, 37, 128}), width = size();
    std::string layers, structure;
    int64_t depth = 1 + random() % 3, in = width;
    for (int64_t i = 0; i <= depth; ++i) {
      int64_t out = i == depth ? pick({2, 3, 10, 17, 100}) : size();
      std::string name = "l" + std::to_string(i);
      layers += "    - linear: {name: " + name + ", out: " + std::to_string(out) +
                (random() % 4 ? "" : ", bias: false") +
                (i == depth ? "" : ", activation: " + choice({"relu", "gelu", "gelu_tanh"})) +
                "}\n";
      structure += rule(name, in, out);
      in = out;
    }
    return "name: random\nmodel:\n  input: {shape: [" + std::to_string(width) + "]}\n  layers:\n" +
           layers + (structure.empty() ? "" : "structure:\n" + structure) +
           "data: {name: fashion_mnist}\ntrain: {batch_size: " + std::to_string(batch) +
           ", loss: {cross_entropy: {label_smoothing: " + choice({"0.0", "0.1"}) + "}}" +
           (random() % 2 ? ", clip_grad_norm: 0.5" : "") + (random() % 3 ? "" : ", ema: 0.9") +
           "}\noptimizer: " +
           choice({"{type: sgd, lr: 0.1}",
                   "{type: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.01}",
                   "{type: adam, lr: 0.01}", "{type: adam, lr: 0.01, weight_decay: 0.1}",
                   "{type: adamw, lr: 0.01, weight_decay: 0.1}"}) +
           "\n";
  }

private:
  int64_t pick(std::initializer_list<int64_t> values) {
    return values.begin()[random() % values.size()];
  }
  std::string choice(std::initializer_list<const char *> values) {
    return values.begin()[random() % values.size()];
  }
  int64_t size() { return pick({1, 2, 3, 5, 16, 17, 23, 31, 32, 48, 64, 65, 90, 97, 128, 131}); }

  std::string rule(const std::string &name, int64_t in, int64_t out) {
    std::string begin = "  - {match: " + name + ", kind: ";
    int64_t least = std::min(in, out);
    if (random() % 3 == 0)
      return begin + "low_rank, rank: " + std::to_string(1 + random() % least) + "}\n";
    int64_t blocks = pick({2, 3, 4, 8, 16});
    auto useful = [&](int64_t n) { return (blocks - 1) * ((n + blocks - 1) / blocks) < n; };
    if (random() % 3 != 0 && blocks <= least && useful(in) && useful(out))
      return begin + "monarch, nblocks: " + std::to_string(blocks) + "}\n";
    return "";
  }

  std::mt19937 random;
};

/// A random vision model: patches, tokens, attention, both kinds of mlp, norms, dropout, in sizes
/// that fit no vector.
class RandomVision {
public:
  explicit RandomVision(unsigned seed) : random(seed) {}

  std::string text() {
    int64_t channels = pick({1, 3}), patch = pick({1, 2, 3}), batch = pick({1, 2, 5}),
            high = pick({1, 2, 3, 4}), wide = pick({1, 2, 5}), heads = pick({1, 2, 3});
    int64_t dim = heads * pick({1, 3, 5, 8, 16, 17, 33});
    std::string layers =
        "    - patch_embed: {patch: " + number(patch) + ", dim: " + number(dim) + "}\n";
    bool classToken = random() % 2;
    layers += classToken ? "    - class_token\n" : "";
    layers += random() % 2 ? "    - position_embedding\n" : "";
    layers += "    - repeat: " + number(pick({1, 2})) + "\n      name: blocks\n      layers:\n" +
              residual(block("attn", "attention: {name: attn, heads: " + number(heads) +
                                         ", qkv_bias: " + choice({"true", "false"}) + "}")) +
              (random() % 2 ? residual(block("token", mlp("token", "tokens"))) : "") +
              residual(block("mlp", mlp("mlp", "channels")));
    layers += random() % 2 ? "    - layer_norm: {eps: 1.0e-5}\n" : "";
    layers += classToken && random() % 2
                  ? "    - select_token: " + number(random() % (high * wide + 1)) + "\n"
                  : "    - mean_tokens\n";
    layers += "    - linear: {name: head, out: " + number(pick({2, 10, 17})) + "}\n";
    return "name: vision\nmodel:\n  input: {shape: [" + number(channels) + ", " +
           number(high * patch) + ", " + number(wide * patch) + "]}\n  layers:\n" + layers +
           structure(dim) + "data: {name: npy}\ntrain: {batch_size: " + number(batch) + "}\n" +
           "optimizer: {type: adamw, lr: 0.01, weight_decay: 0.1}\n";
  }

private:
  std::string number(int64_t value) { return std::to_string(value); }
  int64_t pick(std::initializer_list<int64_t> values) {
    return values.begin()[random() % values.size()];
  }
  std::string choice(std::initializer_list<const char *> values) {
    return values.begin()[random() % values.size()];
  }
  std::string residual(const std::string &list) { return "        - residual: [" + list + "]\n"; }
  std::string block(const std::string &name, const std::string &layer) {
    return std::string(random() % 4 ? "layer_norm, " : "") + "{" + layer + "}" +
           (random() % 3 ? "" : ", {dropout: 0.25}") + (random() % 3 ? "" : ", {drop_path: 0.25}");
  }
  std::string mlp(const std::string &name, const std::string &over) {
    return "mlp: {name: " + name + ", hidden: " + number(pick({1, 7, 16, 24, 33})) +
           ", activation: " + choice({"relu", "gelu", "gelu_tanh"}) + ", over: " + over + "}";
  }
  std::string structure(int64_t dim) {
    if (random() % 3 == 0)
      return "";
    if (random() % 2)
      return "structure:\n  - {match: \"blocks.*.attn.*\", kind: low_rank, rank: 0.5}\n";
    for (int64_t blocks : {4, 3, 2})
      if (dim >= blocks && (blocks - 1) * ((dim + blocks - 1) / blocks) < dim)
        return "structure:\n  - {match: \"blocks.*.attn.*\", kind: monarch, nblocks: " +
               number(blocks) + "}\n";
    return "";
  }

  std::mt19937 random;
};

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
    std::string path = compiled(model, folder, isa);
    std::vector<std::vector<float>> first;
    for (unsigned threads : {1u, 2u, 1u}) {
      Loaded loaded(path, threads);
      ASSERT_TRUE(loaded.executor);
      EXPECT_EQ(loaded.executor->mixWeight().empty(), seed % 3 != 0);
      setArguments(*loaded.executor, arguments);
      ASSERT_TRUE(bool(loaded.executor->run(fb::ProgramKind::EvalStep)));
      EXPECT_LE(errorOf(loaded.executor->metrics(), (*wantedEval)[0]), 1e-4);
      EXPECT_LE(errorOf(loaded.executor->logits(), (*wantedEval)[1]), 1e-4);
      ASSERT_TRUE(bool(loaded.executor->run(fb::ProgramKind::TrainStep)));
      auto results = resultsOf(*loaded.executor);
      ASSERT_EQ(results.size(), wanted->size());
      for (size_t i = 0; i < results.size(); ++i)
        EXPECT_LE(errorOf(results[i], (*wanted)[i]), 3e-4) << "result " << i;
      if (first.empty())
        first = results;
      for (size_t i = 0; i < results.size(); ++i)
        EXPECT_EQ(std::memcmp(results[i].data(), first[i].data(), 4 * first[i].size()), 0)
            << "result " << i << " depends on the threads";
    }
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
