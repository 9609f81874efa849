// What kernels would cost on GPUs that are not here: exact counts of the virtual GPU over the rates
// that vendors state. Always a prediction: it knows no machine code, no latencies and no caches.
#pragma once

#include "runtime/device/KernelCounters.h"
#include "runtime/profile/Roofline.h"

#include <span>
#include <string>

namespace danaus {

struct GpuModel {
  const char *name; ///< "A100"
  unsigned sm;      ///< 80 for sm_80
  unsigned multiprocessors;
  double gigahertz;                ///< boost clock
  double dramBandwidth;            ///< bytes per second
  double l2Bandwidth;              ///< bytes per second
  double sharedBytesPerClock;      ///< of a multiprocessor
  double warpInstructionsPerClock; ///< that a multiprocessor starts
  double floatLanes;               ///< float32 fused multiply-adds of a multiprocessor in a clock
  double tensorFlops;              ///< per second, 16-bit operands, float32 sums, by mma.sync
};

/// What data sheets say of a GPU, as a limit of kernels.
Roofline limitOf(const GpuModel &gpu);

/// T4, V100, A100 and H100. Rates from NVIDIA's data sheets and whitepapers; second-level caches as
/// measured by Jia et al. (arXiv 1804.06826, 1903.07486) and stated in the A100's whitepaper.
std::span<const GpuModel> gpuModels();

/// Seconds that one launch keeps a part of the GPU busy, and the longest of them with the time to
/// start and drain a launch.
struct PredictedTime {
  double dram = 0, l2 = 0, shared = 0, issue = 0, floats = 0, tensor = 0;
  double seconds = 0;
  const char *bound = ""; ///< the longest: "dram", "l2", "shared", "issue", "float", "tensor"
};

/// Start and drain of a launch in a graph, seconds.
inline constexpr double LaunchSeconds = 2e-6;

/// `counters` over `counters.launches` launches; the mean of one. What multiprocessors do takes
/// longer where blocks do not share out evenly among them.
PredictedTime predict(const KernelCounters &counters, const GpuModel &gpu);

} // namespace danaus
