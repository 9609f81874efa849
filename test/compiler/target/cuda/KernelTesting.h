// Single CUDA kernels of a model on the virtual GPU's engine: their sources, random arguments, what
// they write, what the checks find and what the counters say.
#pragma once

#include "compiler/target/cuda/EmitKernels.h"
#include "dialects/plan/Plan.h"
#include "runtime/nvrtc/Nvrtc.h"
#include "runtime/vgpu/Engine.h"
#include "test/compiler/target/StepTesting.h"

#include <random>

namespace danaus::test {

/// The kernels of a spec for an architecture.
class CudaKernels {
  Model model; // the module lives in its context
  std::string arch;

public:
  CudaKernels(const std::string &spec, const std::string &archName) : model(spec), arch(archName) {
    Target target{"cuda", archName};
    mlir::TimingScope untimed;
    module = model.imported->clone();
    bool planned = succeeded(runPhases(*module, Stage::Plan, target, untimed));
    EXPECT_TRUE(planned);
    if (!planned)
      return;
    auto emitted = cuda::emitKernels(*module, *cuda::archNamed(archName));
    EXPECT_TRUE(succeeded(emitted));
    if (succeeded(emitted))
      sources = *emitted;
  }

  const cuda::KernelSource *find(const std::string &symbol) const {
    auto found =
        llvm::find_if(sources, [&](const auto &source) { return source.symbol == symbol; });
    return found == sources.end() ? nullptr : &*found;
  }

  struct Run {
    std::vector<std::vector<std::byte>> results;
    std::vector<vgpu::Finding> findings;
    vgpu::LaunchCounters counters;
    std::string error, ptx;
    uint32_t spillBytes = 0;
  };

  /// One launch of a kernel on random arguments, the same for the same seed.
  Run run(const cuda::KernelSource &source, uint64_t seed = 0, bool oneByOne = false) {
    auto function = module->lookupSymbol<mlir::func::FuncOp>(source.symbol);
    Run run;
    auto nvrtc = Nvrtc::open();
    auto binary = nvrtc->compile(source.text, source.symbol + ".cu", arch);
    if (!binary) {
      run.error = binary.error().message();
      return run;
    }
    run.ptx = binary->ptx;
    run.spillBytes = binary->spillBytes;
    vgpu::Memory memory(uint64_t(1) << 30);
    std::mt19937 random(1);
    std::vector<uint64_t> places;
    uint64_t sequence = 0;
    auto order = [&](const char *name) { return vgpu::Order{0, ++sequence, {}, name}; };
    for (mlir::Type type : function.getArgumentTypes()) {
      std::vector<std::byte> content = randomTensor(type, random);
      if (source.symbol.starts_with("attention_backward"))
        shiftScores(content, places.size());
      places.push_back(*memory.allocate(content.size()));
      EXPECT_TRUE(bool(memory.write(places.back(), content, order("argument"))));
    }
    for (mlir::Type type : function.getResultTypes()) {
      places.push_back(*memory.allocate(bytesOf(type)));
      EXPECT_TRUE(bool(
          memory.write(places.back(), std::vector<std::byte>(bytesOf(type)), order("result"))));
    }
    auto loaded = vgpu::Module::load(binary->ptx, cuda::archNamed(arch)->sm, memory);
    EXPECT_TRUE(bool(loaded)) << loaded.error().message();
    std::vector<uint64_t> parameters;
    for (uint32_t parameter : source.parameters)
      parameters.push_back(places[parameter]);
    vgpu::LaunchConfig config;
    config.grid[0] = uint32_t(function->getAttrOfType<mlir::IntegerAttr>(plan::TilesAttr).getInt());
    config.block[0] = source.threads;
    config.dynamicSharedBytes = uint32_t(source.sharedBytes);
    config.parameters = std::as_bytes(std::span(parameters));
    config.seed = seed;
    config.oneByOne = oneByOne;
    config.stepLimit = 50'000'000;
    Status status =
        vgpu::launch(**loaded, source.symbol, config, memory, order("launch"), &run.counters);
    run.error = status ? "" : status.error().message();
    run.findings = memory.takeFindings();
    for (size_t i = 0; i < function.getNumResults(); ++i) {
      std::vector<std::byte> content(bytesOf(function.getResultTypes()[i]));
      (void)bool(memory.read(places[function.getNumArguments() + i], content, order("result")));
      run.results.push_back(std::move(content));
    }
    return run;
  }

  static size_t bytesOf(mlir::Type type) {
    auto tensor = mlir::cast<mlir::RankedTensorType>(type);
    return size_t(tensor.getNumElements()) * tensor.getElementTypeBitWidth() / 8;
  }

  std::vector<cuda::KernelSource> sources;
  mlir::OwningOpRef<mlir::ModuleOp> module;

private:
  /// Arguments 0, 1 and 4 of kernel.attention_backward, query, key and logsumexp, for heads of size
  /// 9: scores near -140, whose exponential beside a score of 0 is infinite.
  static void shiftScores(std::vector<std::byte> &content, size_t argument) {
    float by = argument == 0 ? 6.8f : argument == 1 ? -6.8f : argument == 4 ? -140 : 0;
    for (size_t i = 0; i < content.size(); i += sizeof(float)) {
      float value;
      std::memcpy(&value, &content[i], sizeof(float));
      value += by;
      std::memcpy(&content[i], &value, sizeof(float));
    }
  }

  static std::vector<std::byte> randomTensor(mlir::Type type, std::mt19937 &random) {
    auto tensor = mlir::cast<mlir::RankedTensorType>(type);
    std::vector<std::byte> bytes(bytesOf(type));
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (int64_t i = 0; i < tensor.getNumElements(); ++i) {
      float value = uniform(random);
      uint32_t word =
          tensor.getElementType().isInteger() ? random() % 2 : std::bit_cast<uint32_t>(value);
      if (tensor.getElementType().isBF16())
        word >>= 16;
      if (tensor.getElementType().isF16())
        word = std::bit_cast<uint16_t>(_Float16(value));
      size_t size = tensor.getElementTypeBitWidth() / 8;
      std::memcpy(bytes.data() + size_t(i) * size, &word, size);
    }
    return bytes;
  }
};

} // namespace danaus::test
