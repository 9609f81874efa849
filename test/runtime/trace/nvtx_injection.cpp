// A tool for NVTX, as small as can be: notes the ranges that it is sent. danausNvtxRanges answers
// them; at the end of a process DANAUS_TEST_NVTX_FILE has them, a line each: thread, depth, text.
#include "runtime/trace/Nvtx.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <unistd.h>

using namespace danaus::trace;

namespace {

struct State {
  std::mutex mutex;
  std::string ranges, threads;
  int domain = 0;
  ~State() {
    const char *path = std::getenv("DANAUS_TEST_NVTX_FILE");
    if (std::FILE *file = path ? std::fopen(path, "w") : nullptr) {
      std::fputs((threads + ranges).c_str(), file);
      std::fclose(file);
    }
  }
};
State state;
thread_local int depth = 0;

void *create(const char *name) { return std::string(name) == "danaus" ? &state.domain : nullptr; }
int push(void *domain, const nvtx::EventAttributes *attributes) {
  std::lock_guard lock(state.mutex);
  bool isRight = domain == &state.domain && attributes->version == nvtx::Version &&
                 attributes->size == sizeof(*attributes) &&
                 attributes->messageType == nvtx::MessageIsAscii;
  state.ranges += isRight ? std::to_string(gettid()) + " " + std::to_string(depth) + " " +
                                attributes->message + "\n"
                          : "wrong attributes\n";
  return depth++;
}
int pop(void *domain) {
  if (depth == 0 || domain != &state.domain) {
    std::lock_guard lock(state.mutex);
    state.ranges += "wrong end\n";
    return -1;
  }
  return --depth;
}
void nameThread(uint32_t thread, const char *name) {
  std::lock_guard lock(state.mutex);
  state.threads += std::to_string(thread) + " is " + name + "\n";
}

template <typename Type> bool set(nvtx::Function **table, unsigned place, Type *function) {
  if (!table[place])
    return false;
  *table[place] = reinterpret_cast<nvtx::Function>(function);
  return true;
}

} // namespace

extern "C" __attribute__((visibility("default"))) int
InitializeInjectionNvtx2(nvtx::GetExportTable getExportTable) {
  auto *callbacks = static_cast<const nvtx::Callbacks *>(getExportTable(nvtx::CallbacksTable));
  auto *version = static_cast<const nvtx::VersionInfo *>(getExportTable(nvtx::VersionTable));
  if (!callbacks || !version || version->version != nvtx::Version || getExportTable(99))
    return 0;
  nvtx::Function **core = nullptr, **core2 = nullptr;
  unsigned places = 0, places2 = 0;
  return callbacks->getModuleFunctionTable(nvtx::Core, &core, &places) && places == 16 &&
         callbacks->getModuleFunctionTable(nvtx::Core2, &core2, &places2) && places2 == 16 &&
         !callbacks->getModuleFunctionTable(7, nullptr, nullptr) &&
         set(core, nvtx::NameOsThread, nameThread) && set(core2, nvtx::DomainCreate, create) &&
         set(core2, nvtx::RangePush, push) && set(core2, nvtx::RangePop, pop);
}

/// The lines so far; valid until the next call.
extern "C" __attribute__((visibility("default"))) const char *danausNvtxRanges() {
  static std::string text;
  std::lock_guard lock(state.mutex);
  text = state.threads + state.ranges;
  return text.c_str();
}
