// What tests of compiled steps share: a spec compiled to IR and to a file, random arguments for
// both the reference interpreter and an executor, and the comparison of what they make of them.
#pragma once

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

namespace danaus::test {

inline std::vector<std::string> instructionSets() {
  std::vector<std::string> names{"baseline"};
  if (cpu::hostIsa().name != "baseline")
    names.push_back("avx2");
  if (cpu::hostIsa().name == "avx512" || cpu::hostIsa().matrixUnit)
    names.push_back("avx512");
  if (cpu::hostIsa().matrixUnit)
    names.push_back("amx");
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
    mlir::TimingScope untimed;
    if (failed(runPhases(*steps, Stage::Gradient, {}, untimed)))
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
inline std::vector<reference::Tensor> randomStepArguments(Model &model, unsigned seed) {
  std::mt19937 random(seed);
  auto train = model.step("train_step");
  std::vector<reference::Tensor> arguments;
  int64_t classes = nn::shapeOf(model.step("eval_step").front().getTerminator()->getOperand(1))[1];
  for (auto argument : train.getArguments()) {
    auto shape = nn::shapeOf(argument);
    auto role =
        train.getArgAttrOfType<mlir::StringAttr>(argument.getArgNumber(), nn::RoleAttr).getValue();
    reference::Tensor tensor = reference::randomTensor(shape, random);
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
      tensor = reference::Tensor(shape);
      int64_t batch = nn::shapeOf(train.getArgument(1))[0];
      tensor.data[control::LearningRate] = 0.01;
      tensor.data[control::InverseCount] = 1.0 / std::max<int64_t>(1, batch - batch / 5);
      tensor.data[control::GradientWeight] = tensor.data[control::InverseCount];
      auto operands = (*model.steps)->getAttrOfType<mlir::TypeAttr>(nn::OperandsAttr);
      double lossScale = operands && operands.getValue().isF16() ? 1024 : 1;
      tensor.data[control::GradientWeight] *= lossScale;
      tensor.data[control::InverseScale] = 1 / lossScale;
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

inline void copyTo(std::span<float> to, const reference::Tensor &from) {
  std::copy(from.data.begin(), from.data.end(), to.begin());
}

inline void setArguments(Executor &executor, const std::vector<reference::Tensor> &arguments) {
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
inline std::vector<std::vector<float>> resultsOf(Executor &executor) {
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
inline double errorOf(std::span<const float> got, const reference::Tensor &wanted) {
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

  Loaded(const std::string &path, unsigned threads, const std::string &kind = "cpu") {
    auto opened = ModelFile::open(path);
    auto made = builtinDevices().create(kind, {threads});
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

inline std::string compiled(Model &model, const Folder &folder, const Target &target) {
  std::string path = folder.path / (target.device + target.isa + ".dnb");
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> copies(1);
  copies[0] = model.imported->clone();
  mlir::TimingScope untimed;
  auto bytes = compileModel(model.spec, copies, {target}, {}, untimed);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().message();
    return path;
  }
  EXPECT_TRUE(bool(writeModelBytes(path, *bytes)));
  return path;
}
inline std::string compiled(Model &model, const Folder &folder, const std::string &isa) {
  return compiled(model, folder, Target{"cpu", isa});
}

/// Everything that @train_step returns against the reference's; `tolerance` as errorOf tells it.
inline void expectResults(Executor &executor, llvm::ArrayRef<reference::Tensor> wanted,
                          double tolerance) {
  auto results = resultsOf(executor);
  ASSERT_EQ(results.size(), wanted.size());
  for (size_t i = 0; i < results.size(); ++i)
    EXPECT_LE(errorOf(results[i], wanted[i]), tolerance) << "result " << i;
}

/// A training step on one, two and again one thread: results within `tolerance` of `wanted`, and
/// the same bits each time. `before` is called with each executor and its arguments set.
inline void expectTrainSteps(const std::string &path, llvm::ArrayRef<reference::Tensor> arguments,
                             llvm::ArrayRef<reference::Tensor> wanted, double tolerance,
                             llvm::function_ref<void(Executor &)> before = nullptr) {
  std::vector<std::vector<float>> first;
  for (unsigned threads : {1u, 2u, 1u}) {
    Loaded loaded(path, threads);
    ASSERT_TRUE(loaded.executor);
    setArguments(*loaded.executor, arguments);
    if (before)
      before(*loaded.executor);
    ASSERT_TRUE(bool(loaded.executor->run(fb::ProgramKind::TrainStep)));
    expectResults(*loaded.executor, wanted, tolerance);
    auto results = resultsOf(*loaded.executor);
    if (first.empty())
      first = results;
    for (size_t i = 0; i < results.size(); ++i)
      EXPECT_EQ(std::memcmp(results[i].data(), first[i].data(), 4 * first[i].size()), 0)
          << "result " << i << " depends on the threads";
  }
}

} // namespace danaus::test
