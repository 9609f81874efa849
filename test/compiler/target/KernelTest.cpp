// Machine code against the reference interpreter: random small models, the whole training and
// evaluation step, every instruction set of this machine, one and two threads.
#include "compiler/Compiler.h"
#include "compiler/import/ImportModel.h"
#include "compiler/import/ReadSpec.h"
#include "compiler/target/cpu/Isa.h"
#include "runtime/exec/Executor.h"
#include "runtime/plan/Control.h"
#include "test/lib/reference/Testing.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

#include <bit>
#include <filesystem>
#include <gtest/gtest.h>

using namespace danaus;
using reference::Tensor;

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
           (random() % 2 ? ", clip_grad_norm: 0.5" : "") + "}\noptimizer: " +
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

std::vector<std::string> instructionSets() {
  std::vector<std::string> names{"baseline"};
  if (cpu::hostIsa().name != "baseline")
    names.push_back("avx2");
  if (cpu::hostIsa().name == "avx512")
    names.push_back("avx512");
  return names;
}

enum class Labels { Plain, Mixed };

/// A compiled spec: the step functions in IR, and what they need as arguments.
struct Model {
  mlir::MLIRContext context;
  llvm::SourceMgr sources;
  spec::Spec spec;
  mlir::OwningOpRef<mlir::ModuleOp> imported, steps;

  explicit Model(const std::string &text, Labels labels = Labels::Plain) {
    context.disableMultithreading();
    quiet.emplace(&context, [](mlir::Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error)
        ADD_FAILURE() << diagnostic.str();
      return mlir::success();
    });
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "random.yaml"), {});
    auto read = spec::readSpec(sources, {}, &context);
    if (failed(read))
      return;
    spec = *read;
    spec.train.mixesLabels = labels == Labels::Mixed;
    imported = importModel(spec, &context);
    steps = imported->clone();
    if (failed(runPhases(*steps, Stage::Gradient, {})))
      steps = nullptr;
  }

  mlir::func::FuncOp step(llvm::StringRef name) {
    return steps->lookupSymbol<mlir::func::FuncOp>(name);
  }

private:
  std::optional<mlir::ScopedDiagnosticHandler> quiet;
};

/// Arguments of @train_step: input, labels, control, second labels and weights where they are
/// mixed, parameters, states (per parameter, slot by slot).
std::vector<Tensor> randomStepArguments(Model &model, unsigned seed) {
  std::mt19937 random(seed);
  auto train = model.step("train_step");
  std::vector<Tensor> arguments;
  int64_t classes = nn::shapeOf(model.step("eval_step").front().getTerminator()->getOperand(1))[1];
  for (auto argument : train.getArguments()) {
    auto shape = nn::shapeOf(argument);
    auto role =
        train.getArgAttrOfType<mlir::StringAttr>(argument.getArgNumber(), nn::RoleAttr).getValue();
    Tensor tensor = reference::randomTensor(shape, random);
    int64_t valid = std::max<int64_t>(1, shape.empty() ? 1 : shape[0] - shape[0] / 5);
    if (role == "label")
      for (int64_t i = 0; i < tensor.size(); ++i)
        tensor.data[i] = i < valid ? double(random() % classes) : -1;
    for (double &value : tensor.data)
      if (role == "mix_label")
        value = random() % classes;
      else if (role == "mix_weight")
        value = random() % 3 ? std::fabs(value) : 1;
    if (role == "control") {
      tensor = Tensor(shape);
      int64_t batch = nn::shapeOf(train.getArgument(1))[0];
      tensor.data[control::LearningRate] = 0.01;
      tensor.data[control::InverseCount] = 1.0 / std::max<int64_t>(1, batch - batch / 5);
      tensor.data[control::Correction1] = 1.5;
      tensor.data[control::Correction2] = 1.25;
      tensor.data[control::FirstUpdate] = seed % 2;
      // Integers in the bits of floats; ordinary numbers, so that no conversion changes them.
      tensor.data[control::RandomKey0] = std::bit_cast<float>(0x3F801234u + seed);
      tensor.data[control::RandomKey1] = std::bit_cast<float>(0x3F845678u);
      tensor.data[control::RandomStep] = std::bit_cast<float>(0x3F800007u);
      tensor.data[control::FirstSample] = std::bit_cast<float>(0x3F800000u + seed % 3);
    }
    if (role == "state" || role == "parameter")
      for (double &value : tensor.data)
        value = role == "state" ? std::fabs(value) * 0.1 : value * 0.3;
    for (double &value : tensor.data)
      value = float(value);
    arguments.push_back(tensor);
  }
  return arguments;
}

void copyTo(std::span<float> to, const Tensor &from) {
  std::copy(from.data.begin(), from.data.end(), to.begin());
}

void setArguments(Executor &executor, const std::vector<Tensor> &arguments) {
  copyTo(executor.input(), arguments[0]);
  std::copy(arguments[1].data.begin(), arguments[1].data.end(), executor.label().begin());
  copyTo(executor.control(), arguments[2]);
  size_t count = executor.parameterCount(), states = executor.stateCount(), next = 3;
  if (!executor.mixLabel().empty()) {
    std::copy(arguments[3].data.begin(), arguments[3].data.end(), executor.mixLabel().begin());
    copyTo(executor.mixWeight(), arguments[4]);
    next = 5;
  }
  for (size_t i = 0; i < count; ++i)
    copyTo(executor.parameter(i), arguments[next++]);
  for (size_t i = 0; i < count; ++i)
    for (size_t s = 0; s < states; ++s)
      copyTo(executor.state(i, s), arguments[next++]);
}

/// Everything that a training step writes, in the order of @train_step's results.
std::vector<std::vector<float>> resultsOf(Executor &executor) {
  std::vector<std::vector<float>> results;
  auto add = [&](auto span) { results.emplace_back(span.begin(), span.end()); };
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    add(executor.parameter(i));
  for (size_t i = 0; i < executor.parameterCount(); ++i)
    for (size_t s = 0; s < executor.stateCount(); ++s)
      add(executor.state(i, s));
  add(executor.metrics());
  return results;
}

/// The largest error relative to the largest element; infinite for NaN.
double errorOf(std::span<const float> got, const Tensor &wanted) {
  double scale = 1e-3, error = 0;
  for (double value : wanted.data)
    scale = std::max(scale, std::fabs(value));
  for (size_t i = 0; i < wanted.data.size(); ++i)
    if (!(std::fabs(got[i] - wanted.data[i]) <= error))
      error = std::isnan(got[i] - wanted.data[i]) ? INFINITY : std::fabs(got[i] - wanted.data[i]);
  return error / scale;
}

class Folder {
public:
  Folder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "danaus-kernel-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

/// A compiled model on a device with `threads` threads.
struct Loaded {
  std::unique_ptr<Device> device;
  std::unique_ptr<ModelFile> file;
  std::unique_ptr<Executor> executor;

  Loaded(const std::string &path, unsigned threads) {
    auto opened = ModelFile::open(path);
    auto made = builtinDevices().create("cpu", {threads});
    if (!opened || !made) {
      ADD_FAILURE() << (opened ? made.error().message() : opened.error().message());
      return;
    }
    device = std::move(*made);
    file = std::make_unique<ModelFile>(std::move(*opened));
    auto loaded = Executor::open(*file, *device);
    if (!loaded)
      ADD_FAILURE() << loaded.error().message();
    else
      executor = std::move(*loaded);
  }
};

std::string compiled(Model &model, const Folder &folder, const std::string &isa) {
  std::string path = folder.path / (isa + ".dnb");
  mlir::OwningOpRef<mlir::ModuleOp> copy = model.imported->clone();
  Status status = compileToFile(model.spec, *copy, {CpuTarget{isa}}, path);
  EXPECT_TRUE(bool(status)) << (status ? "" : status.error().message());
  return path;
}

/// Both steps of the spec's model on every instruction set and two numbers of threads.
void expectStepsAgree(const std::string &text, unsigned seed) {
  SCOPED_TRACE(text);
  Model model(text, GetParam() % 3 == 0 ? Labels::Mixed : Labels::Plain);
  ASSERT_TRUE(model.steps);
  auto arguments = randomStepArguments(model, seed);
  auto wanted = reference::interpret(model.step("train_step"), arguments);
  auto evalArguments = arguments;
  evalArguments.resize(model.step("eval_step").getNumArguments());
  auto wantedEval = reference::interpret(model.step("eval_step"), evalArguments);
  ASSERT_TRUE(succeeded(wanted) && succeeded(wantedEval));
  Folder folder;
  for (const std::string &isa : instructionSets()) {
    SCOPED_TRACE(isa);
    std::string path = compiled(model, folder, isa);
    std::vector<std::vector<float>> first;
    for (unsigned threads : {1u, 2u, 1u}) {
      Loaded loaded(path, threads);
      ASSERT_TRUE(loaded.executor);
      EXPECT_EQ(loaded.executor->mixWeight().empty(), GetParam() % 3 != 0);
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

class RandomVisionModels : public testing::TestWithParam<unsigned> {};
TEST_P(RandomVisionModels, StepsAgreeWithTheReference) {
  expectStepsAgree(RandomVision(GetParam()).text(), GetParam());
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
