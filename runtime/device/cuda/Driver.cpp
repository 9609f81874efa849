// See Driver.h.
#include "runtime/device/cuda/Driver.h"

#include "runtime/base/File.h"

#include <unistd.h>

namespace danaus::cuda {

namespace {

/// The build of the virtual GPU with AVX2 first.
std::vector<std::string> virtualCandidates() {
  std::vector<std::string> candidates;
  bool hasVectors = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2");
  for (const char *name : {"libdanaus_vgpu_v3.so", "libdanaus_vgpu.so"})
    if (hasVectors || std::string_view(name) == "libdanaus_vgpu.so")
      for (std::string &place : besideProgram(name))
        candidates.push_back(std::move(place));
  return candidates;
}

Error missing(DriverKind kind, const std::string &reason) {
  if (kind == DriverKind::Virtual)
    return Error(ExitCode::DeviceUnavailable,
                 "the virtual GPU's library libdanaus_vgpu.so is not beside this program" +
                     (reason.empty() ? "" : " (" + reason + ")") + "; build it: ninja danaus_vgpu");
  return Error(ExitCode::DeviceUnavailable,
               "no NVIDIA driver here: " + reason +
                   "; install the GPU's driver (525 or newer), or use --device vgpu or cpu");
}

} // namespace

Status Driver::check(int result, const std::string &what) const {
  if (result == Success)
    return Status::ok();
  const char *name = nullptr, *text = nullptr;
  if (!errorName || errorName(result, &name) != Success || !name)
    name = "an unknown error";
  if (!errorString || errorString(result, &text) != Success || !text)
    text = "";
  return Error(ExitCode::DeviceUnavailable,
               "while " + what + ": " + text + " (" + name + format(", %d)", result));
}

Expected<std::shared_ptr<Driver>> Driver::open(DriverKind kind) {
  bool isVirtual = kind == DriverKind::Virtual;
  auto library =
      DynamicLibrary::open(isVirtual ? virtualCandidates() : cudaCandidates("libcuda.so.1"));
  if (!library)
    return missing(kind, library.error().message());
  std::shared_ptr<Driver> driver(new Driver(kind, std::move(*library)));
  std::string absent;
#define CUDA_FUNCTION(name, symbol, ...)                                                           \
  if (!driver->library.load(#symbol, driver->name))                                                \
    absent = #symbol;
#include "runtime/device/cuda/Driver.inc"
#undef CUDA_FUNCTION
  if (!absent.empty())
    return Error(ExitCode::DeviceUnavailable, driver->path() + " has no " + absent +
                                                  ": a driver of CUDA 12 (525 or newer) is needed");
  if (Status status = driver->check(driver->init(0), "starting " + driver->path()); !status)
    return status.takeError();
  return driver;
}

} // namespace danaus::cuda
