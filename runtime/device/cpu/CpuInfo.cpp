// Processor features, cores and memory: from cpuid, /proc, the affinity mask and the control group.
#include "runtime/device/cpu/CpuInfo.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace danaus {

namespace {

struct Isa {
  std::string_view name;
  std::vector<std::string_view> features;
};

/// What the code generator assumes of each ISA (compiler/target/cpu), best first.
const std::vector<Isa> &isaTable() {
  static const std::vector<Isa> table = {
      {"amx",
       {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma", "avx512bf16", "amx-tile",
        "amx-bf16"}},
      {"avx512", {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"}},
      {"avx2", {"avx2", "fma"}},
      {"baseline", {"sse2"}},
  };
  return table;
}

/// The number of the tiles' data among the processor's states, for Linux.
constexpr unsigned long TileState = 18;

std::string_view missingFeature(const Isa &isa, const HasFeature &hasFeature) {
  auto missing = std::ranges::find_if_not(isa.features, hasFeature);
  return missing == isa.features.end() ? std::string_view() : *missing;
}

} // namespace

std::string cpuModelName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name"))
      if (size_t colon = line.find(": "); colon != std::string::npos)
        return line.substr(colon + 2);
  return "unknown processor";
}

std::vector<int> affinityCpus() {
  constexpr int MaxCpus = 8192;
  std::vector<cpu_set_t> mask(MaxCpus / CPU_SETSIZE);
  size_t bytes = mask.size() * sizeof(cpu_set_t);
  std::vector<int> cpus;
  if (::sched_getaffinity(0, bytes, mask.data()) != 0)
    return cpus;
  for (int cpu = 0; cpu < MaxCpus; ++cpu)
    if (CPU_ISSET_S(cpu, bytes, mask.data()))
      cpus.push_back(cpu);
  return cpus;
}

unsigned usableCores() {
  unsigned cores = std::max<unsigned>(1, unsigned(affinityCpus().size()));
  std::ifstream quotaFile("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0; // "max 100000" without a quota: reading a number fails
  if (quotaFile >> quota >> period && quota > 0 && period > 0)
    cores = std::min(cores, std::max(1u, unsigned(quota / period + 0.999)));
  return cores;
}

uint64_t usableMemoryBytes() {
  uint64_t bytes = uint64_t(::sysconf(_SC_PHYS_PAGES)) * uint64_t(::sysconf(_SC_PAGESIZE));
  for (const char *path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream limitFile(path);
    uint64_t limit = 0; // "max" without a limit: reading a number fails
    if (limitFile >> limit && limit > 0)
      bytes = std::min(bytes, limit);
  }
  return bytes;
}

#if defined(__x86_64__)
/// Of cpuid's leaf 7. The tiles also need Linux to save them on a switch of threads.
static bool hasBf16Feature(std::string_view feature) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (feature == "avx512bf16")
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
  constexpr int GetSupported = 0x1021; // ARCH_GET_XCOMP_SUPP
  uint64_t states = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> (feature == "amx-bf16" ? 22 : 24) & 1) &&
         ::syscall(SYS_arch_prctl, GetSupported, &states) == 0 && (states >> TileState & 1);
}
#endif

Status requestMatrixTiles() {
#if defined(__x86_64__)
  constexpr int RequestPermission = 0x1023; // ARCH_REQ_XCOMP_PERM
  if (::syscall(SYS_arch_prctl, RequestPermission, TileState) == 0)
    return Status::ok();
#endif
  return Error(ExitCode::DeviceUnavailable,
               std::string("Linux does not let this process use the processor's matrix tiles "
                           "(AMX): ") +
                   std::strerror(errno) + "; compile with danausc --target cpu:avx512");
}

bool cpuHasFeature(std::string_view feature) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (feature == "avx512bf16" || feature == "amx-tile" || feature == "amx-bf16")
    return hasBf16Feature(feature);
  if (feature == "sse2")
    return true;
  if (feature == "fma")
    return __builtin_cpu_supports("fma");
  if (feature == "avx2")
    return __builtin_cpu_supports("avx2");
  if (feature == "avx512f")
    return __builtin_cpu_supports("avx512f");
  if (feature == "avx512bw")
    return __builtin_cpu_supports("avx512bw");
  if (feature == "avx512dq")
    return __builtin_cpu_supports("avx512dq");
  if (feature == "avx512vl")
    return __builtin_cpu_supports("avx512vl");
#endif
  return false;
}

std::vector<std::string> knownIsas() {
  std::vector<std::string> names;
  for (const Isa &isa : isaTable())
    names.emplace_back(isa.name);
  return names;
}

Status checkIsa(std::string_view name, const HasFeature &hasFeature) {
  const std::vector<Isa> &table = isaTable();
  auto isa = std::ranges::find(table, name, &Isa::name);
  if (isa == table.end())
    return Error(ExitCode::DeviceUnavailable,
                 "code for the unknown instruction set '" + std::string(name) +
                     "'; this program knows amx, avx512, avx2 and baseline");
  std::string_view missing = missingFeature(*isa, hasFeature);
  if (missing.empty())
    return Status::ok();
  std::string hint;
  for (const Isa &other : table)
    if (hint.empty() && missingFeature(other, hasFeature).empty())
      hint = "; compile for it with danausc --target cpu:" + std::string(other.name);
  return Error(ExitCode::DeviceUnavailable, "the code is for " + std::string(name) +
                                                ", but this processor lacks " +
                                                std::string(missing) + hint);
}

} // namespace danaus
