// See Cache.h.
#include "tools/danausc/Cache.h"

#include "compiler/target/cpu/Isa.h"
#include "runtime/base/File.h"
#include "runtime/nvrtc/Nvrtc.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace danaus;

static std::string nameOf(const Target &target) {
  return target.device + (target.isa.empty() ? "" : ":" + target.isa);
}

Expected<CompilerCache> CompilerCache::open(const CommandLine &line, llvm::StringRef text) {
  CompilerCache cache;
  std::string folder = cacheFolder();
  if (!line.usesCache || folder.empty())
    return cache;
  CompilerPlace place;
  place.files = {"/proc/self/exe", DANAUS_LIBLLVM, DANAUS_LIBMLIR};
  place.isa = cpu::hostIsa().name;
  if (llvm::any_of(line.targets, [](const Target &target) { return target.device == "cuda"; }))
    place.nvrtc = nvrtcVersion();
  std::string targets = llvm::join(llvm::map_range(line.targets, nameOf), ",");
  auto key =
      cacheKey({line.spec, line.overrides, targets, line.ranks, line.chosenRanks}, text, place);
  if (!key)
    return key.takeError();
  cache.models = ModelCache(folder);
  cache.key = std::move(*key);
  cache.known = {joinPath(folder, "objects"), compilerKey(place.files)};
  return cache;
}
