// See CompileSources.h.
#include "compiler/target/cuda/CompileSources.h"

#include "runtime/nvrtc/CompileCuda.h"
#include "runtime/plan/CudaCode.h"

#include "mlir/IR/MLIRContext.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::cuda;

namespace {

/// The binaries of kernels, in their order.
Expected<std::vector<CudaBinary>> binariesOf(const std::vector<KernelSource> &kernels,
                                             const Arch &arch, MLIRContext *context,
                                             TimingScope &timing) {
  TimingScope compilation = timing.nest("compile CUDA");
  std::vector<CudaSource> sources;
  for (const KernelSource &kernel : kernels)
    sources.push_back({kernel.symbol, kernel.text});
  unsigned jobs = context->isMultithreadingEnabled() ? context->getNumThreads() : 1;
  return compileCuda(sources, arch.name.str(), jobs);
}

Expected<std::vector<KernelSource>> sourcesOf(ModuleOp module, const Arch &arch,
                                              TimingScope &timing) {
  TimingScope emission = timing.nest("emit kernels");
  auto kernels = emitKernels(module, arch);
  if (failed(kernels))
    return Error(ExitCode::Internal, "printing CUDA code for " + arch.name.str() + " failed");
  return std::move(*kernels);
}

} // namespace

Expected<std::string> cuda::compileKernels(ModuleOp module, const Arch &arch, std::string &warning,
                                           TimingScope &timing) {
  auto kernels = sourcesOf(module, arch, timing);
  if (!kernels)
    return kernels.takeError();
  auto binaries = binariesOf(*kernels, arch, module.getContext(), timing);
  if (!binaries && binaries.error().code() != ExitCode::DeviceUnavailable)
    return binaries.takeError();
  if (!binaries)
    warning = binaries.error().message();
  fb::CudaCodeT code;
  for (auto [i, source] : llvm::enumerate(*kernels)) {
    auto kernel = std::make_unique<fb::CudaKernelT>();
    kernel->symbol = source.symbol;
    kernel->source = source.text;
    kernel->block = source.threads;
    kernel->shared_bytes = uint32_t(source.sharedBytes);
    kernel->parameters = source.parameters;
    if (binaries) {
      CudaBinary &compiled = (*binaries)[i];
      auto binary = std::make_unique<fb::CudaBinaryT>();
      binary->arch = compiled.arch;
      binary->ptx = compiled.ptx;
      binary->cubin.resize(compiled.cubin.size());
      std::memcpy(binary->cubin.data(), compiled.cubin.data(), compiled.cubin.size());
      binary->registers = compiled.registers;
      binary->spill_bytes = compiled.spillBytes;
      binary->shared_bytes = compiled.sharedBytes;
      kernel->binaries.push_back(std::move(binary));
    }
    code.kernels.push_back(std::move(kernel));
  }
  return packCudaCode(code);
}

Expected<std::string> cuda::ptxOf(ModuleOp module, const Arch &arch, TimingScope &timing) {
  auto kernels = sourcesOf(module, arch, timing);
  if (!kernels)
    return kernels.takeError();
  auto binaries = binariesOf(*kernels, arch, module.getContext(), timing);
  if (!binaries)
    return binaries.takeError();
  std::string text;
  for (const CudaBinary &binary : *binaries)
    text += binary.ptx + "\n";
  return text;
}
