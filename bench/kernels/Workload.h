// A compiled case: runs its program once, and tells how long its kernels took.
#pragma once

#include "bench/kernels/Cases.h"
#include "tools/danaus/command/Compile.h"

#include <memory>
#include <optional>

namespace danaus::bench {

/// Seconds of one run.
struct KernelTimes {
  double kernels = 0;
  double serving = 0;
};

class Workload {
public:
  /// Compiles `kernel` for an instruction set, with danausc beside this program; one thread.
  static Expected<std::unique_ptr<Workload>> open(const KernelCase &kernel, const std::string &isa);

  /// One step. The kernels' operations and bytes do not change between calls.
  Expected<KernelTimes> run();
  uint64_t flops() const { return sumOfFlops; }
  uint64_t bytes() const { return sumOfBytes; }

private:
  explicit Workload(const KernelCase &kernel) : kernel(kernel) {}
  Status prepare(const std::string &isa);
  Status count();

  KernelCase kernel;
  std::unique_ptr<Device> device;
  std::optional<tool::CompiledModel> model;
  std::unique_ptr<Executor> executor;
  uint64_t sumOfFlops = 0, sumOfBytes = 0;
};

} // namespace danaus::bench
