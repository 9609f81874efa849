// What a step does beyond one batch and one update: an update in micro-batches, against the same
// update in one piece.
#include "runtime/base/Json.h"
#include "runtime/exec/Update.h"
#include "test/compiler/target/StepTesting.h"

#include <map>
#include <random>

using namespace danaus;
using namespace danaus::test;

namespace {

/// Dense, low-rank and ragged Monarch layers of awkward sizes, a residual, biases and none.
std::string specText(const std::string &train, const std::string &optimizer) {
  return "name: recipe\nmodel:\n  input: {shape: [19]}\n  layers:\n"
         "    - linear: {name: a, out: 33, activation: gelu}\n"
         "    - linear: {name: b, out: 45, activation: relu}\n"
         "    - residual:\n        - linear: {name: c, out: 45}\n"
         "    - linear: {name: d, out: 7, bias: false}\n"
         "structure:\n  - {match: b, kind: low_rank, rank: 5}\n"
         "  - {match: c, kind: monarch, nblocks: 4}\n"
         "data: {name: fashion_mnist}\ntrain: {batch_size: 24" +
         train + "}\noptimizer: " + optimizer + "\n";
}

/// A large eps: Adam does not blow the rounding of tiny gradients up.
const char AdamW[] = "{type: adamw, lr: 0.01, weight_decay: 0.1, eps: 1.0e-3}";

/// 24 rows of made-up data, of which the first `valid` count.
struct Rows {
  std::vector<float> inputs, weights;
  std::vector<int32_t> labels, seconds;

  explicit Rows(int64_t valid) {
    std::mt19937 random(5);
    for (int64_t i = 0; i < 24 * 19; ++i)
      inputs.push_back(float(random() / 2147483648.0 - 1));
    for (int64_t i = 0; i < 24; ++i) {
      labels.push_back(i < valid ? int32_t(random() % 7) : -1);
      seconds.push_back(int32_t(random() % 7));
      weights.push_back(float(random() / 4294967296.0));
    }
  }

  /// Rows [first, first + the batch of the executor).
  void fill(Executor &executor, uint64_t first) const {
    std::copy_n(inputs.begin() + first * 19, executor.input().size(), executor.input().begin());
    std::copy_n(labels.begin() + first, executor.label().size(), executor.label().begin());
    std::copy_n(seconds.begin() + first, executor.mixLabel().size(), executor.mixLabel().begin());
    std::copy_n(weights.begin() + first, executor.mixWeight().size(), executor.mixWeight().begin());
  }

  /// For runUpdate.
  std::function<Status(uint64_t)> filler(Executor &executor) const {
    return [&, rows = microBatchRows(executor)](uint64_t i) {
      fill(executor, i * rows);
      return Status::ok();
    };
  }
};

void setControl(Executor &executor, uint64_t step, int64_t valid) {
  std::span<float> control = executor.control();
  control[control::LearningRate] = 0.01f;
  control[control::InverseCount] = 1.0f / float(valid);
  control[control::GradientWeight] = control[control::InverseCount];
  control[control::Correction1] = 1.5f;
  control[control::Correction2] = 1.25f;
  control[control::FirstUpdate] = step == 0 ? 1.0f : 0.0f;
}

/// The fusion section has every kernel of every program, by name and with its number of launches.
void expectFusionOfAllLaunches(Executor &executor) {
  auto fusion = parseJson(executor.fusion(), "the fusion section", ExitCode::CheckpointInvalid);
  ASSERT_TRUE(bool(fusion)) << fusion.error().message();
  std::map<std::string, std::map<std::string, size_t>> told, launched;
  for (const nlohmann::json &function : (*fusion)["functions"])
    for (const nlohmann::json &kernel : function["kernels"])
      told[function["name"]][kernel["name"]] += kernel["launches"].get<size_t>();
  std::map<fb::ProgramKind, std::string> names = {{fb::ProgramKind::TrainStep, "train_step"},
                                                  {fb::ProgramKind::GradientStep, "gradient_step"},
                                                  {fb::ProgramKind::UpdateStep, "update_step"},
                                                  {fb::ProgramKind::EvalStep, "eval_step"}};
  for (const fb::Program *program : *executor.plan().programs())
    for (const fb::Launch *launch : executor.launches(program->kind()))
      ++launched[names[program->kind()]]
                [executor.plan().kernels()->Get(launch->kernel())->symbol()->str()];
  EXPECT_EQ(told, launched);
}

void setWeights(Executor &executor) {
  std::mt19937 random(3);
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    for (float &value : executor.parameter(i))
      value = float(random() / 2147483648.0 - 1) * 0.3f;
}

/// Two updates on `rows`; micro-batches without a valid row are left out.
std::vector<std::vector<float>> train(const std::string &path, const Rows &rows, int64_t valid,
                                      unsigned threads = 1) {
  Loaded loaded(path, threads);
  if (!loaded.executor)
    return {};
  Executor &executor = *loaded.executor;
  setWeights(executor);
  uint64_t micro = microBatchRows(executor);
  for (uint64_t step = 0; step < 2; ++step) {
    setControl(executor, step, valid);
    Status status =
        runUpdate(executor, (uint64_t(valid) + micro - 1) / micro, rows.filler(executor));
    EXPECT_TRUE(bool(status));
  }
  return resultsOf(executor);
}

class Accumulation : public testing::Test {
protected:
  Folder whole, parts;

  void compare(const std::string &settings, const std::string &optimizer, Labels labels,
               int64_t valid, const std::string &isa) {
    SCOPED_TRACE(settings + optimizer + isa + std::to_string(valid));
    Model one(specText(settings, optimizer), labels);
    Model four(specText(settings + ", accumulate: 4", optimizer), labels);
    ASSERT_TRUE(one.steps && four.steps);
    Rows rows(valid);
    auto wanted = train(compiled(one, whole, isa), rows, valid);
    std::string path = compiled(four, parts, isa);
    auto got = train(path, rows, valid), again = train(path, rows, valid, 2);
    ASSERT_EQ(got.size(), wanted.size());
    EXPECT_EQ(got, again) << "depends on the threads";
    for (size_t i = 0; i < got.size(); ++i) {
      reference::Tensor exact({int64_t(wanted[i].size())}, {wanted[i].begin(), wanted[i].end()});
      EXPECT_LE(errorOf(got[i], exact), 1e-5) << "result " << i;
    }
  }
};

TEST_F(Accumulation, IsTheSameUpdateInParts) {
  for (const std::string &isa : instructionSets()) {
    compare("", "{type: sgd, lr: 0.01, momentum: 0.9}", Labels::Plain, 24, isa);
    compare(", clip_grad_norm: 0.1, ema: 0.9", AdamW, Labels::Mixed, 24, isa);
  }
}

/// 21 rows: the last micro-batch is half empty; 7: two are, and do not run.
TEST_F(Accumulation, OfAShortBatch) {
  for (int64_t valid : {21, 7})
    compare(", clip_grad_norm: 0.1", AdamW, Labels::Plain, valid, cpu::hostIsa().name.str());
}

TEST_F(Accumulation, ALossThatIsNotFiniteInAnyPartLeavesEverythingAsItWas) {
  Model model(specText(", accumulate: 4, clip_grad_norm: 0.1", AdamW));
  ASSERT_TRUE(model.steps);
  std::string path = compiled(model, parts, cpu::hostIsa().name.str());
  for (uint64_t bad = 0; bad < 4; ++bad) {
    Loaded loaded(path, 2);
    ASSERT_TRUE(loaded.executor);
    Executor &executor = *loaded.executor;
    setWeights(executor);
    auto before = resultsOf(executor);
    Rows rows(24);
    rows.inputs[bad * 6 * 19] = NAN;
    auto update = [&] {
      setControl(executor, 0, 24);
      return runUpdate(executor, 4, rows.filler(executor));
    };
    ASSERT_TRUE(bool(update()));
    auto after = resultsOf(executor);
    EXPECT_FALSE(std::isfinite(after.back()[metrics::Loss]));
    for (size_t i = 0; i + 1 < after.size(); ++i)
      EXPECT_EQ(after[i], before[i]) << "result " << i;
    // The sums start anew: nothing of it is left in the next update.
    rows.inputs[bad * 6 * 19] = 0;
    ASSERT_TRUE(bool(update()));
    EXPECT_TRUE(std::isfinite(executor.metrics()[metrics::Loss]));
    EXPECT_TRUE(std::isfinite(executor.metrics()[metrics::GradNorm]));
  }
}

TEST_F(Accumulation, NeedsTheMemoryOfOnePart) {
  auto planned = [&](const std::string &settings) {
    std::string text = specText(settings, AdamW);
    text.replace(text.find("batch_size: 24"), 14, "batch_size: 4096");
    Model model(text);
    Loaded loaded(compiled(model, parts, "baseline"), 1);
    return loaded.executor->plannedBytes();
  };
  EXPECT_LT(double(planned(", accumulate: 16")), 0.2 * double(planned("")));
}

/// The loss of every one of five steps and the weights after them, and the planned memory.
struct Course {
  std::vector<float> losses;
  std::vector<std::vector<float>> results;
  uint64_t bytes = 0;
};

Course courseOf(const std::string &text, const Folder &folder) {
  Course course;
  Model model(text);
  Loaded loaded(compiled(model, folder, cpu::hostIsa().name.str()), 2);
  if (!loaded.executor)
    return course;
  Executor &executor = *loaded.executor;
  std::mt19937 random(5);
  for (float &value : executor.input())
    value = float(random() / 2147483648.0 - 1);
  for (int32_t &label : executor.label())
    label = int32_t(random() % 7);
  setWeights(executor);
  for (uint64_t step = 0; step < 5; ++step) {
    setControl(executor, step, int64_t(executor.label().size()));
    EXPECT_TRUE(bool(runUpdate(executor, 1, [](uint64_t) { return Status::ok(); })));
    course.losses.push_back(executor.metrics()[metrics::Loss]);
  }
  course.results = resultsOf(executor);
  course.bytes = executor.plannedBytes();
  return course;
}

/// Parameters, gradients and Adam's state: what recomputing cannot save.
uint64_t fixedBytes(const Course &course) {
  uint64_t bytes = 0;
  for (const std::vector<float> &values : course.results)
    bytes += 4 * values.size();
  return bytes * 4 / 3;
}

TEST(Recompute, ChangesNoBitAndSavesMemory) {
  auto text = [](const std::string &settings) {
    return "name: deep\nmodel:\n  input: {shape: [48]}\n  layers:\n    - repeat: 8\n"
           "      name: blocks\n      layers:\n"
           "        - residual:\n"
           "            - linear: {name: a, out: 96, activation: gelu}\n"
           "            - linear: {name: b, out: 64, activation: relu}\n"
           "            - linear: {name: c, out: 48}\n"
           "    - linear: {name: head, out: 7}\n"
           "structure: [{match: \"blocks.*.b\", kind: low_rank, rank: 16}]\n"
           "data: {name: fashion_mnist}\ntrain: {batch_size: 1024" +
           settings + "}\noptimizer: {type: adam, lr: 0.01}\n";
  };
  for (std::string dtype : {"f32", "bf16"}) { // the second time, the same values are rounded
    SCOPED_TRACE(dtype);
    Folder folder;
    Course kept = courseOf(text(", dtype: " + dtype), folder),
           again = courseOf(text(", recompute: true, dtype: " + dtype), folder);
    ASSERT_EQ(kept.losses.size(), 5u);
    EXPECT_TRUE(std::isfinite(kept.losses[4]));
    EXPECT_EQ(kept.losses, again.losses);
    EXPECT_EQ(kept.results, again.results);
    EXPECT_LE(double(again.bytes - fixedBytes(again)), 0.6 * double(kept.bytes - fixedBytes(kept)));
  }
}

/// Dropout draws the same zeros the second time; attention and norms are recomputed like the rest.
TEST(Recompute, ChangesNoBitOfATransformer) {
  auto text = [](const std::string &settings) {
    return "name: vit\nmodel:\n  input: {shape: [1, 12, 12]}\n  layers:\n"
           "    - patch_embed: {patch: 3, dim: 24}\n    - position_embedding\n"
           "    - repeat: 3\n      name: blocks\n      layers:\n"
           "        - residual: [layer_norm, {attention: {name: attn, heads: 3, dropout: 0.1}}, "
           "{drop_path: 0.2}]\n"
           "        - residual: [layer_norm, {mlp: {name: mlp, hidden: 48, dropout: 0.1}}]\n"
           "    - mean_tokens\n    - linear: {name: head, out: 7}\n"
           "data: {name: npy, channels: 1}\ntrain: {batch_size: 32" +
           settings + "}\noptimizer: {type: adam, lr: 0.01}\n";
  };
  Folder folder;
  Course kept = courseOf(text(""), folder), again = courseOf(text(", recompute: true"), folder);
  ASSERT_EQ(kept.losses.size(), 5u);
  EXPECT_EQ(kept.losses, again.losses);
  EXPECT_EQ(kept.results, again.results);
  EXPECT_LT(again.bytes, kept.bytes);
}

/// Weights decay, biases do not: with a learning rate and no gradient (no valid row) only the
/// former move, by 1 - lr * decay.
TEST(Decay, IsOfWeightsAlone) {
  Folder folder;
  for (std::string accumulate : {"", ", accumulate: 4"}) {
    Model model(specText(accumulate, AdamW));
    Loaded loaded(compiled(model, folder, "baseline"), 1);
    ASSERT_TRUE(loaded.executor);
    Executor &executor = *loaded.executor;
    setWeights(executor);
    auto before = resultsOf(executor);
    setControl(executor, 0, 1);
    uint64_t micro = microBatchRows(executor);
    Rows rows(0);
    ASSERT_TRUE(bool(runUpdate(executor, 24 / micro, rows.filler(executor))));
    for (size_t i = 0; i < executor.parameterCount(); ++i) {
      bool isBias = executor.parameterInfo(i).shape()->size() == 1;
      EXPECT_EQ(executor.parameterInfo(i).decay(), !isBias);
      float factor = isBias ? 1.0f : 1.0f - 0.01f * 0.1f;
      for (size_t j = 0; j < before[i].size(); ++j)
        ASSERT_NEAR(executor.parameter(i)[j], before[i][j] * factor, 1e-7) << i;
    }
  }
}

/// Two biases share one gradient, of which each needs a copy in the buffer that the norm reads.
TEST(Norm, IsThatOfAllGradientsAlsoWhereTwoAreOneValue) {
  Model model("name: twins\nmodel:\n  input: {shape: [5]}\n  layers:\n"
              "    - ops: {inputs: [x], parameters: {W: [3, 5], b: [3], c: [3]}, steps: [\"h = "
              "matmul(x, transpose(W))\", \"i = h + b\", \"y = i + c\"], output: y}\n"
              "data: {name: fashion_mnist}\ntrain: {batch_size: 8, clip_grad_norm: 0.01}\n"
              "optimizer: {type: sgd, lr: 0.1}\n");
  ASSERT_TRUE(model.steps);
  auto arguments = randomStepArguments(model, 1);
  auto wanted = reference::interpret(model.step("train_step"), arguments);
  ASSERT_TRUE(succeeded(wanted));
  Folder folder;
  Loaded loaded(compiled(model, folder, cpu::hostIsa().name.str()), 1);
  ASSERT_TRUE(loaded.executor);
  setArguments(*loaded.executor, arguments);
  ASSERT_TRUE(bool(loaded.executor->run(fb::ProgramKind::TrainStep)));
  EXPECT_LE(errorOf(loaded.executor->metrics(), wanted->back()), 1e-5);
  expectFusionOfAllLaunches(*loaded.executor); // the plan's own copy is one of them
}

TEST(Fusion, IsToldByTheModelFile) {
  Model model(specText(", accumulate: 3", AdamW));
  ASSERT_TRUE(model.imported);
  Folder folder;
  Loaded loaded(compiled(model, folder, cpu::hostIsa().name.str()), 1);
  ASSERT_TRUE(loaded.executor);
  expectFusionOfAllLaunches(*loaded.executor);
}

} // namespace
