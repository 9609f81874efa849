// A shared library of the machine, opened when it is needed: CUDA's driver, NVRTC. Never closed:
// libraries of this kind keep threads and state.
#pragma once

#include "runtime/base/Status.h"

#include <string>
#include <vector>

namespace danaus {

class DynamicLibrary {
public:
  /// The first of `candidates` that opens (names go through the loader's own search). The error
  /// says what each one failed with.
  static Expected<DynamicLibrary> open(const std::vector<std::string> &candidates);

  /// The address of a symbol; null where there is none.
  void *find(const char *symbol) const;

  template <typename Function> bool load(const char *symbol, Function *&into) const {
    into = reinterpret_cast<Function *>(find(symbol));
    return into != nullptr;
  }

  /// The candidate that opened.
  const std::string &path() const { return name; }

private:
  DynamicLibrary(void *handle, std::string name) : handle(handle), name(std::move(name)) {}

  void *handle;
  std::string name;
};

/// Where a library of ours may lie: beside this program, in lib beside its folder, or, for a test,
/// beside the programs.
std::vector<std::string> besideProgram(const std::string &name);

/// Where CUDA's libraries may lie beside the loader's search: $CUDA_HOME, $CUDA_PATH,
/// /usr/local/cuda, Debian's folders; each with `name`, the bare name first.
std::vector<std::string> cudaCandidates(const std::string &name);

} // namespace danaus
