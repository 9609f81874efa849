// Loads machine code without a file on disk: an anonymous memory file is given to the dynamic
// linker under its /proc name.
#include "runtime/device/cpu/CpuCode.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

namespace danaus {

static Error invalidCode(const std::string &why) {
  return Error(ExitCode::CheckpointInvalid,
               "the code section cannot be loaded: " + why + "; compile it again with danausc");
}

static Status writeAll(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return Error(ExitCode::DeviceUnavailable,
                   std::string("no memory to load code: ") + std::strerror(errno));
    bytes = bytes.subspan(size_t(written));
  }
  return Status::ok();
}

Expected<std::unique_ptr<Code>> CpuCode::load(std::span<const std::byte> bytes) {
  constexpr size_t ElfHeaderBytes = 64;
  if (bytes.size() < ElfHeaderBytes || std::memcmp(bytes.data(),
                                                   "\x7f"
                                                   "ELF",
                                                   4) != 0)
    return invalidCode("not a shared object");
  int descriptor = ::memfd_create("danaus-kernels", MFD_CLOEXEC);
  if (descriptor < 0)
    return Error(ExitCode::DeviceUnavailable,
                 std::string("memfd_create failed: ") + std::strerror(errno));
  std::unique_ptr<CpuCode> code(new CpuCode(descriptor));
  if (Status status = writeAll(descriptor, bytes); !status)
    return status.takeError();
  std::string path = format("/proc/self/fd/%d", descriptor);
  code->library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!code->library)
    return invalidCode(::dlerror());
  return std::unique_ptr<Code>(std::move(code));
}

CpuCode::~CpuCode() {
  if (library)
    ::dlclose(library);
  ::close(descriptor);
}

Expected<KernelFunction> CpuCode::find(const std::string &symbol) const {
  void *address = ::dlsym(library, symbol.c_str());
  if (!address)
    return invalidCode("it has no kernel " + symbol);
  return reinterpret_cast<KernelFunction>(address);
}

} // namespace danaus
