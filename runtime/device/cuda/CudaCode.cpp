// See CudaCode.h.
#include "runtime/device/cuda/CudaCode.h"

#include "runtime/nvrtc/CompileCuda.h"
#include "runtime/plan/CudaCode.h"

#include <algorithm>
#include <thread>

namespace danaus::cuda {

namespace {

unsigned smOf(std::string_view arch) {
  return unsigned(std::atoi(std::string(arch.substr(std::min<size_t>(3, arch.size()))).c_str()));
}

/// The newest binary that a GPU of this architecture can run.
const fb::CudaBinary *bestFor(const fb::CudaKernel &kernel, unsigned sm) {
  const fb::CudaBinary *best = nullptr;
  for (const fb::CudaBinary *binary : *kernel.binaries())
    if (unsigned own = smOf(binary->arch()->string_view()); own <= sm)
      if (!best || own > smOf(best->arch()->string_view()))
        best = binary;
  return best;
}

/// Loads machine code, and PTX where the driver refuses it.
int loadBinary(const Driver &driver, const void *cubin, size_t cubinBytes, const std::string &ptx,
               CUmodule *module) {
  if (cubinBytes > 0 && driver.moduleLoad(module, cubin) == Success)
    return Success;
  return driver.moduleLoad(module, ptx.c_str());
}

/// The kernels that none of their binaries fits, compiled for this GPU.
Expected<std::map<std::string, CudaBinary>> compileMissing(const fb::CudaCode &code, unsigned sm) {
  std::vector<CudaSource> sources;
  for (const fb::CudaKernel *kernel : *code.kernels())
    if (!bestFor(*kernel, sm))
      sources.push_back({kernel->symbol()->str(), kernel->source()->str()});
  std::map<std::string, CudaBinary> compiled;
  if (sources.empty())
    return compiled;
  auto binaries =
      compileCuda(sources, format("sm_%u", sm), std::max(1u, std::thread::hardware_concurrency()));
  if (!binaries)
    return binaries.takeError().during(format("compiling kernels for this GPU (sm_%u)", sm));
  for (size_t i = 0; i < sources.size(); ++i)
    compiled[sources[i].symbol] = std::move((*binaries)[i]);
  return compiled;
}

} // namespace

Expected<std::unique_ptr<Code>> LoadedCode::load(std::shared_ptr<Context> context,
                                                 std::span<const std::byte> section) {
  auto code = readCudaCode(section);
  if (!code)
    return code.takeError();
  unsigned sm = context->sm();
  auto compiled = compileMissing(**code, sm);
  if (!compiled)
    return compiled.takeError();
  std::unique_ptr<LoadedCode> loaded(new LoadedCode(std::move(context)));
  const Driver &driver = loaded->context->driver();
  for (const fb::CudaKernel *kernel : *(*code)->kernels()) {
    std::string symbol = kernel->symbol()->str(), what = "loading kernel " + symbol;
    CUmodule module = nullptr;
    int result;
    if (const fb::CudaBinary *binary = bestFor(*kernel, sm)) {
      // Machine code runs on its own major architecture only; PTX on all newer ones.
      result =
          loadBinary(driver, binary->cubin() ? binary->cubin()->data() : nullptr,
                     binary->cubin() ? binary->cubin()->size() : 0, binary->ptx()->str(), &module);
    } else {
      const CudaBinary &made = compiled->at(symbol);
      result = loadBinary(driver, made.cubin.data(), made.cubin.size(), made.ptx, &module);
    }
    if (Status status = driver.check(result, what); !status)
      return status.takeError();
    loaded->modules.push_back(module);
    LoadedKernel &own = loaded->kernels[symbol];
    own.block = kernel->block();
    own.sharedBytes = kernel->shared_bytes();
    own.parameters.assign(kernel->parameters()->begin(), kernel->parameters()->end());
    if (Status status =
            driver.check(driver.moduleFunction(&own.function, module, symbol.c_str()), what);
        !status)
      return status.takeError();
    if (own.sharedBytes == 0)
      continue;
    int set =
        driver.functionSetAttribute(own.function, MaxDynamicSharedBytes, int(own.sharedBytes));
    if (Status status = driver.check(
            set, what + format(", which needs %u bytes of shared memory", own.sharedBytes));
        !status)
      return status.takeError();
  }
  return std::unique_ptr<Code>(std::move(loaded));
}

LoadedCode::~LoadedCode() {
  for (CUmodule module : modules)
    (void)context->driver().moduleUnload(module);
}

const LoadedKernel *LoadedCode::find(const std::string &symbol) const {
  auto found = kernels.find(symbol);
  return found == kernels.end() ? nullptr : &found->second;
}

} // namespace danaus::cuda
