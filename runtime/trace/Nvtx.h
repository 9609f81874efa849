// NVTX: the spans of the recorder as ranges for NVIDIA's tools (Nsight Systems), as they happen. A
// tool names a library in NVTX_INJECTION64_PATH; the interface to it is that of NVTX 3, declared
// here without its headers (test/runtime/trace compares them where there are any).
#pragma once

#include "runtime/base/Status.h"

#include <cstddef>
#include <cstdint>

namespace danaus::trace {

/// Sends ranges to the library from now on, for the life of the process; where the variable is not
/// set, does nothing. DeviceUnavailable says why the library cannot be used.
Status attachNvtx();

namespace nvtx {

inline constexpr uint32_t Version = 3, CallbacksTable = 1, VersionTable = 3;
inline constexpr int MessageIsAscii = 1;

/// Modules of functions, with the number of places in their tables.
enum Module : int { Core = 1, Cuda = 2, OpenCl = 3, CudaRuntime = 4, Core2 = 5, Sync = 6 };
inline constexpr unsigned PlacesOf[] = {0, 16, 9, 15, 7, 16, 7};
/// Places of those that we call.
inline constexpr unsigned NameOsThread = 14;                              ///< of Core
inline constexpr unsigned RangePush = 4, RangePop = 5, DomainCreate = 12; ///< of Core2

using Function = void (*)();

/// nvtxEventAttributes_t.
struct EventAttributes {
  uint16_t version = Version, size = sizeof(EventAttributes);
  uint32_t category = 0;
  int32_t colorType = 0;
  uint32_t color = 0;
  int32_t payloadType = 0, reserved = 0;
  uint64_t payload = 0;
  int32_t messageType = MessageIsAscii;
  const char *message = nullptr;
};

/// NvtxExportTableCallbacks: the tool writes its functions to where the places of a table point.
struct Callbacks {
  size_t size;
  int (*getModuleFunctionTable)(int module, Function ***table, unsigned *places);
};
/// NvtxExportTableVersionInfo.
struct VersionInfo {
  size_t size;
  uint32_t version, reserved;
  void (*setInjectionVersion)(uint32_t version);
};

using GetExportTable = const void *(*)(uint32_t table);
using Initialize = int (*)(GetExportTable); ///< InitializeInjectionNvtx2; 0 where it fails

} // namespace nvtx
} // namespace danaus::trace
