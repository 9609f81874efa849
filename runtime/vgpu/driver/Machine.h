// The virtual GPUs of this process: what stands behind the handles of the driver's interface. One
// lock for all: work runs where it is submitted, in the calling thread.
#pragma once

#include "runtime/device/KernelCounters.h"
#include "runtime/device/cuda/DriverTypes.h"
#include "runtime/vgpu/Engine.h"
#include "runtime/vgpu/driver/Activities.h"

#include <map>
#include <mutex>

namespace danaus::vgpu {

/// How many operations of each lane are known to be over: a vector clock.
using Clock = std::vector<uint64_t>;
void join(Clock &into, const Clock &other);

struct Gpu {
  Gpu(unsigned ordinal, unsigned sm, uint64_t bytes) : ordinal(ordinal), sm(sm), memory(bytes) {}

  unsigned ordinal, sm;
  Memory memory;
  Clock host;      ///< what the host has waited for
  Clock sequences; ///< the last operation of each lane
  uint32_t newLane() {
    sequences.push_back(0);
    return uint32_t(sequences.size() - 1);
  }
  /// The next operation of `lane`, after `known` and what the host has waited for; `known` gets it.
  Order nextOrder(uint32_t lane, Clock &known, std::string name);
};

struct Stream {
  Gpu *gpu;
  uint32_t lane;
  Clock known;
};

struct Event {
  Clock clock;
  double seconds = 0;
};

struct LoadedImage {
  Gpu *gpu;
  std::unique_ptr<Module> module;
};

struct Function {
  LoadedImage *image;
  std::string name;
  const KernelInfo *info;
};

/// One launch of a kernel with its parameter block.
struct LaunchNode {
  Function *function;
  LaunchConfig config;
  std::vector<std::byte> parameters;
  std::vector<size_t> dependencies;
  uint32_t lane = 0; ///< of an instantiated graph: branches have lanes of their own
};

struct Graph {
  std::vector<std::unique_ptr<LaunchNode>> nodes;
};

/// What a kernel did in all its launches.
struct KernelReport {
  uint64_t launches = 0, blocks = 0;
  LaunchCounters counters;
};

class Machine {
public:
  /// Instructions of warps that a block may run, minutes here: a kernel that never ends is found.
  static constexpr uint64_t StepLimit = uint64_t(1) << 32;

  static Machine &instance();
  ~Machine();

  std::recursive_mutex mutex;
  std::vector<std::unique_ptr<Gpu>> gpus;
  Gpu *current = nullptr;
  uint64_t seed = 0;
  bool oneByOne = false; ///< LaunchConfig
  std::map<std::string, KernelReport> reports;
  std::string reportPath; ///< written when the process ends; empty: none
  std::string lastFinding;
  int sticky = cuda::Success; ///< the error of a kernel, which stays

  Activities activities;

  std::vector<KernelCounters> counters() const;

  /// A copy from pinned memory reads it at any time until the host has waited for it: it is
  /// remembered, and when the host has waited compared.
  std::map<void *, size_t> pinned;
  void watch(const Stream &stream, const void *from, size_t bytes);
  void checkWatched(Gpu &gpu);
  void forgetPinned(void *memory);

  /// Runs a launch; findings become the sticky error and go to stderr.
  int run(LaunchNode &node, const Order &order);
  /// After anything that may have found something.
  int afterwards(Gpu &gpu, const Status &status);

private:
  struct Watched {
    Gpu *gpu;
    uint32_t lane;
    uint64_t sequence;
    const void *from;
    size_t bytes;
    uint32_t checksum;
  };
  std::vector<Watched> watched;

  Machine();
  void configure(const std::string &text);
  void writeReport() const;
};

} // namespace danaus::vgpu
