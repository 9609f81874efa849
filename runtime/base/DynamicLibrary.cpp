// See DynamicLibrary.h.
#include "runtime/base/DynamicLibrary.h"

#include "runtime/base/File.h"

#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

namespace danaus {

Expected<DynamicLibrary> DynamicLibrary::open(const std::vector<std::string> &candidates) {
  std::string reasons;
  for (const std::string &candidate : candidates) {
    if (void *handle = ::dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL))
      return DynamicLibrary(handle, candidate);
    const char *reason = ::dlerror();
    // A file that is not there is no news, but one that is there and does not open is.
    if (candidate.find('/') == std::string::npos || pathExists(candidate))
      reasons += (reasons.empty() ? "" : "; ") + std::string(reason ? reason : candidate);
  }
  return Error(ExitCode::DeviceUnavailable, reasons);
}

void *DynamicLibrary::find(const char *symbol) const { return ::dlsym(handle, symbol); }

std::vector<std::string> besideProgram(const std::string &name) {
  char self[4096];
  ssize_t length = ::readlink("/proc/self/exe", self, sizeof(self) - 1);
  std::string folder = parentFolder(std::string(self, length > 0 ? size_t(length) : 0));
  std::vector<std::string> candidates;
  for (const char *place : {".", "../lib", "../bin", "../../bin"})
    candidates.push_back(joinPath(joinPath(folder, place), name));
  return candidates;
}

std::vector<std::string> cudaCandidates(const std::string &name) {
  std::vector<std::string> candidates{name};
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char *folder = std::getenv(variable); folder && *folder)
      candidates.push_back(joinPath(joinPath(folder, "lib64"), name));
  for (const char *folder : {"/usr/local/cuda/lib64", "/usr/lib/x86_64-linux-gnu",
                             "/usr/lib/cuda/lib64", "/usr/lib/wsl/lib"})
    candidates.push_back(joinPath(folder, name));
  return candidates;
}

} // namespace danaus
