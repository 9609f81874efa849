// See Nvrtc.h.
#include "runtime/nvrtc/Nvrtc.h"

#include <algorithm>
#include <cstdlib>

namespace danaus {

Expected<Nvrtc> Nvrtc::open() {
  std::vector<std::string> candidates;
  for (const char *name : {"libnvrtc.so.13", "libnvrtc.so.12"})
    for (std::string &candidate : cudaCandidates(name))
      candidates.push_back(std::move(candidate));
  auto library = DynamicLibrary::open(candidates);
  if (!library)
    return Error(
        ExitCode::DeviceUnavailable,
        "NVRTC, which compiles CUDA kernels, is not here: " + library.error().message() +
            "; install the CUDA toolkit 12 or 13 (or its package cuda-nvrtc), or set CUDA_HOME "
            "to its folder");
  Nvrtc nvrtc(std::move(*library));
  std::string missing;
#define NVRTC_FUNCTION(name, ...)                                                                  \
  if (!nvrtc.library.load("nvrtc" #name, nvrtc.call.name))                                         \
    missing = "nvrtc" #name;
#include "runtime/nvrtc/Nvrtc.inc"
#undef NVRTC_FUNCTION
  if (!missing.empty())
    return Error(ExitCode::DeviceUnavailable,
                 nvrtc.library.path() + " has no " + missing + ": NVRTC 12 or 13 is needed");
  nvrtc.about.path = nvrtc.library.path();
  int count = 0;
  if (nvrtc.call.Version(&nvrtc.about.major, &nvrtc.about.minor) != 0 ||
      nvrtc.call.GetNumSupportedArchs(&count) != 0)
    return Error(ExitCode::DeviceUnavailable, nvrtc.library.path() + " does not tell its version");
  nvrtc.about.archs.resize(size_t(count));
  if (nvrtc.call.GetSupportedArchs(nvrtc.about.archs.data()) != 0)
    return Error(ExitCode::DeviceUnavailable,
                 nvrtc.library.path() + " does not tell its architectures");
  std::ranges::sort(nvrtc.about.archs);
  return nvrtc;
}

Expected<std::vector<std::string>> Nvrtc::optionsFor(const std::string &arch, bool &cubin) const {
  int number = std::atoi(arch.c_str() + std::min<size_t>(3, arch.size()));
  cubin = std::ranges::count(about.archs, number) > 0;
  int chosen = 0;
  for (int known : about.archs)
    if (known <= number)
      chosen = known;
  if (chosen == 0)
    return Error(
        ExitCode::DeviceUnavailable,
        format("NVRTC %d.%d compiles for sm_%d and newer, not for %s; an older CUDA toolkit "
               "does",
               about.major, about.minor, about.archs.empty() ? 0 : about.archs.front(),
               arch.c_str()));
  return std::vector<std::string>{
      (cubin ? "--gpu-architecture=sm_" : "--gpu-architecture=compute_") + std::to_string(chosen),
      "--std=c++17", "-lineinfo", "--ptxas-options=-v"};
}

/// The number before `word` in ptxas' report; 0 where it says nothing.
static uint32_t numberBefore(const std::string &log, const std::string &word) {
  size_t at = log.find(word);
  if (at == std::string::npos)
    return 0;
  size_t end = at;
  while (end > 0 && log[end - 1] == ' ')
    --end;
  size_t begin = end;
  while (begin > 0 && std::isdigit((unsigned char)log[begin - 1]))
    --begin;
  return uint32_t(std::strtoul(log.substr(begin, end - begin).c_str(), nullptr, 10));
}

namespace {
/// Destroys a program however its compilation ends.
class Program {
public:
  explicit Program(int (*destroy)(void **)) : destroy(destroy) {}
  Program(const Program &) = delete;
  ~Program() {
    if (handle)
      (void)destroy(&handle);
  }
  void *handle = nullptr;

private:
  int (*destroy)(void **);
};
} // namespace

Expected<CudaBinary> Nvrtc::compile(const std::string &text, const std::string &name,
                                    const std::string &arch) const {
  bool hasCubin = false;
  auto options = optionsFor(arch, hasCubin);
  if (!options)
    return options.takeError();
  std::vector<const char *> words;
  for (const std::string &option : *options)
    words.push_back(option.c_str());
  Program program(call.DestroyProgram);
  Error refused(ExitCode::Internal, "NVRTC cannot compile " + name);
  // NVRTC writes the working folder before a relative name into the PTX, which would then depend on
  // it.
  std::string file = "/danaus/" + name;
  if (call.CreateProgram(&program.handle, text.c_str(), file.c_str(), 0, nullptr, nullptr) != 0)
    return refused;
  int result = call.CompileProgram(program.handle, int(words.size()), words.data());
  auto read = [&](int (*size)(void *, size_t *), int (*get)(void *, char *), auto &into) {
    size_t bytes = 0;
    if (size(program.handle, &bytes) != 0)
      return false;
    into.resize(bytes);
    return get(program.handle, reinterpret_cast<char *>(into.data())) == 0;
  };
  std::string log;
  (void)read(call.GetProgramLogSize, call.GetProgramLog, log);
  if (result != 0)
    return Error(ExitCode::Internal,
                 "NVRTC cannot compile " + name + " for " + arch + ":\n" + log.c_str());
  CudaBinary binary;
  binary.arch = arch;
  if (!read(call.GetPTXSize, call.GetPTX, binary.ptx) ||
      (hasCubin && !read(call.GetCUBINSize, call.GetCUBIN, binary.cubin)))
    return refused;
  binary.ptx.resize(binary.ptx.find_last_not_of('\0') + 1);
  binary.registers = numberBefore(log, " registers");
  binary.spillBytes = numberBefore(log, " bytes spill stores");
  binary.sharedBytes = numberBefore(log, " bytes smem");
  return binary;
}

Expected<NvrtcInfo> describeNvrtc() {
  auto nvrtc = Nvrtc::open();
  if (!nvrtc)
    return nvrtc.takeError();
  return nvrtc->info();
}

std::string nvrtcVersion() {
  Expected<NvrtcInfo> info = describeNvrtc();
  return info ? format("%d.%d", info->major, info->minor) : "none";
}

} // namespace danaus
