// See GpuModel.h.
#include "runtime/profile/GpuModel.h"

#include <algorithm>
#include <cmath>

namespace danaus {

std::span<const GpuModel> gpuModels() {
  // mma.sync reaches about 0.62 of the H100's 989 TFLOP/s, which wgmma alone has.
  static constexpr GpuModel models[] = {
      {"T4", 75, 40, 1.59, 320e9, 1.27e12, 64, 4, 64, 65e12},
      {"V100", 70, 80, 1.53, 900e9, 2.15e12, 128, 4, 64, 125e12},
      {"A100", 80, 108, 1.41, 2039e9, 7.2e12, 128, 4, 64, 312e12},
      {"H100", 90, 132, 1.83, 3352e9, 7.2e12, 128, 4, 128, 615e12},
  };
  return models;
}

Roofline limitOf(const GpuModel &gpu) {
  Roofline limit;
  limit.flops = 2 * gpu.floatLanes * gpu.multiprocessors * gpu.gigahertz * 1e9;
  limit.bytesPerSecond = gpu.dramBandwidth;
  limit.matrixFlops = gpu.tensorFlops;
  limit.cacheBytesPerSecond = gpu.l2Bandwidth;
  limit.from = std::string("data sheet of ") + (gpu.name[0] == 'A' ? "an " : "a ") + gpu.name;
  return limit;
}

PredictedTime predict(const KernelCounters &counters, const GpuModel &gpu) {
  PredictedTime time;
  if (counters.launches == 0)
    return time;
  double launches = double(counters.launches);
  auto each = [&](uint64_t total) { return double(total) / launches; };
  // The busiest multiprocessor has `rounds` blocks; on average one has blocks / multiprocessors.
  double blocks = std::max(1.0, each(counters.blocks));
  double rounds = std::ceil(blocks / gpu.multiprocessors);
  double uneven = rounds * gpu.multiprocessors / blocks;
  double clocks = gpu.gigahertz * 1e9 * gpu.multiprocessors / uneven;
  time.dram = each(counters.uniqueReadBytes + counters.uniqueWrittenBytes) / gpu.dramBandwidth;
  time.l2 = each(counters.globalSectors) * 32 / gpu.l2Bandwidth;
  time.shared = each(counters.sharedWaves) * 128 / (gpu.sharedBytesPerClock * clocks);
  time.issue = each(counters.warpInstructions) / (gpu.warpInstructionsPerClock * clocks);
  time.floats = each(counters.floatFlops) / (2 * gpu.floatLanes * clocks);
  time.tensor = each(counters.tensorFlops) * uneven / gpu.tensorFlops;
  const std::pair<const char *, double> parts[] = {
      {"dram", time.dram},   {"l2", time.l2},        {"shared", time.shared},
      {"issue", time.issue}, {"float", time.floats}, {"tensor", time.tensor}};
  auto longest = std::ranges::max_element(parts, {}, &std::pair<const char *, double>::second);
  time.bound = longest->first;
  time.seconds = longest->second + LaunchSeconds;
  return time;
}

} // namespace danaus
