// See CompileCuda.h.
#include "runtime/nvrtc/CompileCuda.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace danaus {

Expected<std::vector<CudaBinary>> compileCuda(std::span<const CudaSource> sources,
                                              const std::string &arch, unsigned jobs,
                                              const KernelCache &cache) {
  auto nvrtc = Nvrtc::open();
  if (!nvrtc)
    return nvrtc.takeError();
  std::vector<CudaBinary> binaries(sources.size());
  std::vector<std::optional<Error>> errors(sources.size());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < sources.size();) {
      std::string key = KernelCache::key(sources[i].text, arch, nvrtc->info());
      if (auto known = cache.find(key)) {
        binaries[i] = std::move(*known);
        continue;
      }
      auto binary = nvrtc->compile(sources[i].text, sources[i].symbol + ".cu", arch);
      if (!binary) {
        errors[i] = binary.takeError();
        continue;
      }
      cache.keep(key, *binary);
      binaries[i] = std::move(*binary);
    }
  };
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < std::min<size_t>(std::max(1u, jobs), sources.size()); ++i)
    threads.emplace_back(work);
  work();
  threads.clear();
  for (std::optional<Error> &error : errors) // of several the first, whoever met it
    if (error)
      return std::move(*error);
  return binaries;
}

} // namespace danaus
