// See Nvtx.h.
#include "runtime/trace/Nvtx.h"

#include "runtime/base/DynamicLibrary.h"
#include "runtime/trace/Recorder.h"

#include <array>
#include <cstdlib>
#include <unistd.h>

namespace danaus::trace {

namespace {

constexpr unsigned modules = 7, mostPlaces = 16;

/// The functions of the tool, and the tables by which it sets them: of all modules, because tools
/// expect them.
struct Tables {
  nvtx::Function functions[modules][mostPlaces] = {};
  nvtx::Function *places[modules][mostPlaces + 1] = {};
  void *domain = nullptr; ///< null: the default one

  Tables() {
    for (unsigned module = 1; module < modules; ++module)
      for (unsigned place = 1; place < nvtx::PlacesOf[module]; ++place)
        places[module][place] = &functions[module][place];
  }
};
Tables &tables() {
  static auto *one = new Tables; // threads may end after the statics of the process
  return *one;
}

template <typename Type> Type *functionOf(nvtx::Module module, unsigned place) {
  return reinterpret_cast<Type *>(tables().functions[module][place]);
}

int getModuleFunctionTable(int module, nvtx::Function ***table, unsigned *places) {
  if (module < 1 || module >= int(modules))
    return 0;
  if (table)
    *table = tables().places[module];
  if (places)
    *places = nvtx::PlacesOf[module];
  return 1;
}

const void *getExportTable(uint32_t table) {
  static const nvtx::Callbacks callbacks = {sizeof(callbacks), getModuleFunctionTable};
  static const nvtx::VersionInfo version = {sizeof(version), nvtx::Version, 0, [](uint32_t) {}};
  return table == nvtx::CallbacksTable ? static_cast<const void *>(&callbacks)
         : table == nvtx::VersionTable ? &version
                                       : nullptr;
}

} // namespace

Status attachNvtx() {
  const char *path = std::getenv("NVTX_INJECTION64_PATH");
  if (!path || !*path || (sinks() & NvtxSink))
    return Status::ok();
  auto library = DynamicLibrary::open({path});
  if (!library)
    return library.takeError().during("opening the library of NVTX_INJECTION64_PATH");
  auto initialize = reinterpret_cast<nvtx::Initialize>(library->find("InitializeInjectionNvtx2"));
  if (!initialize)
    return Error(ExitCode::DeviceUnavailable,
                 std::string(path) + " (NVTX_INJECTION64_PATH) has no InitializeInjectionNvtx2: it "
                                     "is no library for NVTX 3");
  if (!initialize(getExportTable))
    return Error(ExitCode::DeviceUnavailable,
                 std::string(path) + " (NVTX_INJECTION64_PATH) does not take ranges");
  if (auto *create = functionOf<void *(const char *)>(nvtx::Core2, nvtx::DomainCreate))
    tables().domain = create("danaus");
  const nvtx::Function *core2 = tables().functions[nvtx::Core2];
  if (core2[nvtx::RangePush] && core2[nvtx::RangePop])
    detail::addSink(NvtxSink);
  return Status::ok();
}

void detail::pushRange(uint32_t name) {
  nvtx::EventAttributes attributes;
  attributes.message = textOf(name);
  functionOf<int(void *, const nvtx::EventAttributes *)>(nvtx::Core2, nvtx::RangePush)(
      tables().domain, &attributes);
}

void detail::popRange() { functionOf<int(void *)>(nvtx::Core2, nvtx::RangePop)(tables().domain); }

void detail::nameNvtxThread(const char *name) {
  if (auto *call = functionOf<void(uint32_t, const char *)>(nvtx::Core, nvtx::NameOsThread))
    call(uint32_t(gettid()), name);
}

} // namespace danaus::trace
