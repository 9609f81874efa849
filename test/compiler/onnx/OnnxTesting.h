// What tests of ONNX files share: specs of such files, messages of the importer, and the logits
// that a compiled model computes.
#pragma once

#include "compiler/onnx/Export.h"
#include "compiler/onnx/Import.h"
#include "runtime/exec/Initialize.h"
#include "runtime/run/Weights.h"
#include "runtime/safetensors/Safetensors.h"
#include "test/compiler/target/StepTesting.h"
#include "test/runtime/support/TempFolder.h"

#include <random>

namespace danaus::test {

/// A spec whose layers are in this file.
inline std::string onnxSpec(const std::string &file, int64_t batch) {
  return "name: m\nmodel: {kind: onnx, file: \"" + file +
         "\"}\ndata: {name: mnist}\ntrain: {batch_size: " + std::to_string(batch) + "}\n";
}

/// What importing the file prints, without the place in the spec; empty: it was imported, and its
/// structures were recognised.
inline std::string importMessage(const std::string &file, int64_t batch) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error)
      message = diagnostic.str();
    return mlir::success();
  });
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(onnxSpec(file, batch), "m.yaml"),
                             {});
  auto spec = spec::readSpec(sources, {}, &context);
  auto module = succeeded(spec) ? importModel(*spec, &context) : nullptr;
  EXPECT_EQ(bool(module), message.empty()) << message;
  mlir::TimingScope untimed;
  if (module) {
    EXPECT_TRUE(succeeded(runPhases(*module, Stage::Structure, {}, untimed)));
  }
  return message;
}

/// A compiled model with an executor.
struct RunningModel {
  Folder folder;
  Model model;
  Loaded loaded;

  explicit RunningModel(const std::string &spec)
      : model(spec), loaded(compiled(model, folder, "baseline"), 1) {}

  Executor &executor() { return *loaded.executor; }

  void readWeights(const std::string &path) {
    auto file = SafetensorsFile::open(path);
    ASSERT_TRUE(succeeds(file));
    ASSERT_TRUE(succeeds(readParameters(executor(), *file)));
  }

  /// The logits of the first rows of `images`.
  std::vector<float> logits(std::span<const float> images) {
    std::copy_n(images.begin(), executor().input().size(), executor().input().begin());
    std::fill(executor().label().begin(), executor().label().end(), 0);
    executor().control()[control::InverseCount] = 1;
    EXPECT_TRUE(succeeds(executor().run(fb::ProgramKind::EvalStep)));
    return {executor().logits().begin(), executor().logits().end()};
  }
};

/// The largest difference, by the largest of the `wanted` that are compared.
inline double relativeError(const std::vector<float> &got, std::span<const float> wanted) {
  double scale = 0, error = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    scale = std::max(scale, std::fabs(double(wanted[i])));
    double difference = std::fabs(double(got[i]) - wanted[i]);
    if (!(difference <= error))
      error = std::isnan(difference) ? INFINITY : difference;
  }
  return scale > 0 ? error / scale : INFINITY;
}

} // namespace danaus::test
