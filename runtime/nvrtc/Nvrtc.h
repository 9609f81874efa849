// NVIDIA's run-time compiler, opened by dlopen: CUDA C++ in, PTX and machine code out. The
// interface is that of NVRTC 12 and 13; no CUDA header is needed. Knows nothing of devices.
#pragma once

#include "runtime/base/DynamicLibrary.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace danaus {

/// One kernel's code for an architecture.
struct CudaBinary {
  std::string arch; ///< "sm_80"
  std::string ptx;
  std::vector<std::byte> cubin; ///< empty where NVRTC compiles for an older architecture only
  uint32_t registers = 0;       ///< of a thread
  uint32_t spillBytes = 0;      ///< of a thread, stored
  uint32_t sharedBytes = 0;     ///< static, of a block
};

struct NvrtcInfo {
  int major = 0, minor = 0;
  std::string path;
  std::vector<int> archs; ///< 75 for sm_75, ascending
};

class Nvrtc {
public:
  /// Opens libnvrtc.so.13 or .12. DeviceUnavailable says where it was looked for and what to
  /// install.
  static Expected<Nvrtc> open();

  const NvrtcInfo &info() const { return about; }

  /// The options for an architecture: the very one where NVRTC knows it (`cubin` gets true), else
  /// the newest older virtual one. DeviceUnavailable where all that it knows are newer.
  Expected<std::vector<std::string>> optionsFor(const std::string &arch, bool &cubin) const;

  /// Compiles one text; `name` stands in messages and in line information. Internal with NVRTC's
  /// log when it refuses the text. May be called by many threads.
  Expected<CudaBinary> compile(const std::string &text, const std::string &name,
                               const std::string &arch) const;

private:
  explicit Nvrtc(DynamicLibrary library) : library(std::move(library)) {}

  DynamicLibrary library;
  NvrtcInfo about;
  struct Functions {
#define NVRTC_FUNCTION(name, ...) int (*name)(__VA_ARGS__);
#include "runtime/nvrtc/Nvrtc.inc"
#undef NVRTC_FUNCTION
  } call = {};
};

/// What `danaus devices` says of NVRTC.
Expected<NvrtcInfo> describeNvrtc();

/// "13.0"; "none" where there is none.
std::string nvrtcVersion();

} // namespace danaus
