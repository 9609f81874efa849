// See Machine.h. DANAUS_VGPU="sm_80,devices=2,memory=4096,seed=7" configures it (memory in MiB a
// GPU); DANAUS_VGPU_REPORT=FILE.json has the counters of every kernel written at the process' end.
#include "runtime/vgpu/driver/Machine.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Checksum.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

namespace danaus::vgpu {

void join(Clock &into, const Clock &other) {
  if (into.size() < other.size())
    into.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i)
    into[i] = std::max(into[i], other[i]);
}

Order Gpu::nextOrder(uint32_t lane, Clock &known, std::string name) {
  join(known, host);
  Order order{lane, ++sequences[lane], known, std::move(name)};
  if (known.size() <= lane)
    known.resize(lane + 1);
  known[lane] = order.sequence;
  return order;
}

Machine &Machine::instance() {
  static Machine machine;
  return machine;
}

Machine::Machine() {
  const char *text = std::getenv("DANAUS_VGPU");
  configure(text ? text : "");
  if (const char *path = std::getenv("DANAUS_VGPU_REPORT"))
    reportPath = path;
}

void Machine::configure(const std::string &text) {
  unsigned sm = 80, devices = 1;
  uint64_t mebibytes = 8192;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    size_t equals = word.find('=');
    std::string key = word.substr(0, equals);
    uint64_t value =
        equals == std::string::npos ? 0 : std::strtoull(word.c_str() + equals + 1, nullptr, 10);
    if (word.starts_with("sm_"))
      sm = unsigned(std::atoi(word.c_str() + 3));
    else if (key == "devices" && value >= 1 && value <= 64)
      devices = unsigned(value);
    else if (key == "memory" && value >= 1)
      mebibytes = value;
    else if (key == "seed")
      seed = value;
    else if (word == "one-by-one")
      oneByOne = true;
    else if (word == "no-cupti")
      activities.areForbidden = true;
    else
      std::fprintf(
          stderr,
          "warning: DANAUS_VGPU: '%s' is not known; known: sm_75 to sm_120, devices=1 to 64, "
          "memory=MiB, seed=N, one-by-one, no-cupti\n",
          word.c_str());
    begin = end + 1;
  }
  for (unsigned i = 0; i < devices; ++i)
    gpus.push_back(std::make_unique<Gpu>(i, sm, mebibytes << 20));
}

int Machine::afterwards(Gpu &gpu, const Status &status) {
  static std::set<std::string> printed;
  for (const Finding &finding : gpu.memory.takeFindings()) {
    if (printed.insert(finding.text).second)
      std::fprintf(stderr, "vgpu: %s\n", finding.text.c_str());
    lastFinding = finding.text;
    sticky = finding.kind == FindingKind::OutOfBounds ? cuda::IllegalAddress : cuda::LaunchFailed;
  }
  if (!status && sticky == cuda::Success) {
    lastFinding = status.error().message();
    sticky = status.error().code() == ExitCode::Usage ? cuda::InvalidValue : cuda::LaunchFailed;
  }
  return sticky;
}

void Machine::watch(const Stream &stream, const void *from, size_t bytes) {
  auto next = pinned.upper_bound(const_cast<void *>(from));
  if (next == pinned.begin())
    return;
  auto [start, size] = *std::prev(next);
  if (uint64_t(static_cast<const char *>(from) - static_cast<const char *>(start)) + bytes > size)
    return;
  watched.push_back({stream.gpu, stream.lane, stream.gpu->sequences[stream.lane], from, bytes,
                     crc32(from, bytes)});
}

void Machine::checkWatched(Gpu &gpu) {
  std::erase_if(watched, [&](const Watched &copy) {
    bool isOver =
        copy.gpu == &gpu && copy.lane < gpu.host.size() && gpu.host[copy.lane] >= copy.sequence;
    if (isOver && crc32(copy.from, copy.bytes) != copy.checksum) {
      lastFinding =
          format("the host has changed %zu bytes of pinned memory while a copy to the GPU "
                 "was reading them",
                 copy.bytes);
      std::fprintf(stderr, "vgpu: %s\n", lastFinding.c_str());
      sticky = cuda::LaunchFailed;
    }
    return isOver;
  });
}

void Machine::forgetPinned(void *memory) {
  std::erase_if(watched, [&](const Watched &copy) {
    return uint64_t(static_cast<const char *>(copy.from) - static_cast<char *>(memory)) <
           pinned[memory];
  });
  pinned.erase(memory);
}

int Machine::run(LaunchNode &node, const Order &order) {
  LoadedImage &image = *node.function->image;
  node.config.parameters = node.parameters;
  node.config.seed = seed;
  node.config.oneByOne = oneByOne;
  node.config.stepLimit = StepLimit;
  KernelReport &report = reports[node.function->name];
  ++report.launches;
  report.blocks += uint64_t(node.config.grid[0]) * node.config.grid[1] * node.config.grid[2];
  Status status = launch(*image.module, node.function->name, node.config, image.gpu->memory, order,
                         &report.counters);
  return afterwards(*image.gpu, status);
}

Machine::~Machine() {
  if (!reportPath.empty())
    writeReport();
}

std::vector<KernelCounters> Machine::counters() const {
  std::vector<KernelCounters> all;
  for (const auto &[name, report] : reports) {
    const LaunchCounters &c = report.counters;
    all.push_back({name.c_str(), report.launches, report.blocks, c.warpInstructions,
                   c.threadInstructions, c.globalRequests, c.globalSectors, c.idealGlobalSectors,
                   c.uniqueReadBytes, c.uniqueWrittenBytes, c.sharedWaves, c.idealSharedWaves,
                   c.tensorFlops, c.floatFlops, c.divergentBranches, c.barriers});
  }
  return all;
}

/// What each line of the CUDA source did.
static std::string linesOf(const LaunchCounters &counters) {
  std::map<unsigned, InstructionCounters> lines;
  for (const InstructionCounters &instruction : counters.instructions)
    add(lines[instruction.sourceLine], instruction);
  std::string text;
  for (const auto &[line, c] : lines)
    text += format("%s{\"line\": %u, \"warp_instructions\": %llu, \"sectors\": %llu, "
                   "\"ideal_sectors\": %llu, \"waves\": %llu, \"ideal_waves\": %llu}",
                   text.empty() ? "" : ", ", line, (unsigned long long)c.warpInstructions,
                   (unsigned long long)c.sectors, (unsigned long long)c.idealSectors,
                   (unsigned long long)c.sharedWaves, (unsigned long long)c.idealSharedWaves);
  return text;
}

void Machine::writeReport() const {
  std::string text = "{\"kernels\": [";
  const char *separator = "\n";
  for (const KernelCounters &c : counters()) {
    text += separator + format("{\"kernel\": \"%s\"", c.symbol);
    for (auto field : kernelCounterFields)
      text += format(", \"%s\": %llu", field.name, (unsigned long long)(c.*field.value));
    text += ", \"lines\": [" + linesOf(reports.at(c.symbol).counters) + "]}";
    separator = ",\n";
  }
  if (Status status = writeFileAtomically(reportPath, text + "\n]}\n"); !status)
    std::fprintf(stderr, "vgpu: %s\n", status.error().message().c_str());
}

} // namespace danaus::vgpu
