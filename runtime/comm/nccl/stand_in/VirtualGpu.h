// What the stand-in needs of a virtual GPU: copies in order with a stream, as its race detector
// sees them.
#pragma once

#include "runtime/device/cuda/DriverTypes.h"

#include <dlfcn.h>
#include <string>

namespace danaus {

/// Functions of the virtual GPU's library, which the caller has loaded.
struct VirtualGpu {
  int (*toHost)(void *, cuda::CUdeviceptr, size_t, cuda::CUstream) = nullptr;
  int (*toDevice)(cuda::CUdeviceptr, const void *, size_t, cuda::CUstream) = nullptr;
  int (*synchronize)(cuda::CUstream) = nullptr;

  bool load() {
    static const char ownPlace = 0;
    Dl_info own = {};
    ::dladdr(&ownPlace, &own);
    std::string folder(own.dli_fname ? own.dli_fname : "");
    folder = folder.substr(0, folder.rfind('/') + 1);
    for (const char *name : {"libdanaus_vgpu_v3.so", "libdanaus_vgpu.so"})
      if (void *library = ::dlopen((folder + name).c_str(), RTLD_NOW | RTLD_NOLOAD)) {
        toHost = reinterpret_cast<decltype(toHost)>(::dlsym(library, "cuMemcpyDtoHAsync_v2"));
        toDevice = reinterpret_cast<decltype(toDevice)>(::dlsym(library, "cuMemcpyHtoDAsync_v2"));
        synchronize =
            reinterpret_cast<decltype(synchronize)>(::dlsym(library, "cuStreamSynchronize"));
      }
    return toHost && toDevice && synchronize;
  }
};

} // namespace danaus
