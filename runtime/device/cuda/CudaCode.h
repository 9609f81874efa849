// The kernels of a section of CUDA code, loaded on a GPU.
#pragma once

#include "runtime/device/Device.h"
#include "runtime/device/cuda/Context.h"

#include <map>

namespace danaus::cuda {

struct LoadedKernel {
  CUfunction function = nullptr;
  uint32_t block = 0, sharedBytes = 0;
  std::vector<uint32_t> parameters;
};

class LoadedCode final : public Code {
public:
  /// Loads machine code where it fits the GPU, else PTX, else what NVRTC makes of the source here.
  static Expected<std::unique_ptr<Code>> load(std::shared_ptr<Context> context,
                                              std::span<const std::byte> section);
  ~LoadedCode() override;

  /// Null where there is none of this name.
  const LoadedKernel *find(const std::string &symbol) const;

private:
  explicit LoadedCode(std::shared_ptr<Context> context) : context(std::move(context)) {}

  std::shared_ptr<Context> context;
  std::vector<CUmodule> modules;
  std::map<std::string, LoadedKernel> kernels;
};

} // namespace danaus::cuda
