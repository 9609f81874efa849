// Many CUDA kernels at a time, by NVRTC and through the cache of kernels.
#pragma once

#include "runtime/nvrtc/KernelCache.h"

#include <span>

namespace danaus {

struct CudaSource {
  std::string symbol; ///< of its entry point; names it in messages
  std::string text;
};

/// The binaries of `sources`, in their order, by `jobs` threads. DeviceUnavailable where NVRTC is
/// not here; Internal with NVRTC's log where it refuses one.
Expected<std::vector<CudaBinary>>
compileCuda(std::span<const CudaSource> sources, const std::string &arch, unsigned jobs,
            const KernelCache &cache = KernelCache(KernelCache::defaultFolder()));

} // namespace danaus
