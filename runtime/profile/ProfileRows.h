// What tables, JSON, CSV and pages of a profile share: values of a kernel with their names, its
// layers and lines, and the GPUs that times are predicted for.
#pragma once

#include "runtime/profile/Counters.h"
#include "runtime/profile/GpuModel.h"
#include "runtime/profile/KernelProfile.h"
#include "runtime/profile/Roofline.h"

#include <optional>
#include <set>

namespace danaus {

/// All that is known of a step.
struct ProfileReport {
  Measured measured;
  Executor &executor;
  const StepProfile &profile;
  std::optional<Roofline> roofline; ///< of the processor, where the kernels ran on it
  /// That KernelProfile::counts are of; null: there are none.
  const PerfCounters *counters = nullptr;
  std::string noCounters; ///< why they are missing where somebody wanted them
};

/// A named value of a kernel, for JSON and CSV.
struct Field {
  std::string name, value;
};

std::string number(uint64_t value);
std::string join(const std::vector<std::string> &words, const char *separator);

/// Whether the device counted what its kernels did (the virtual GPU).
bool countsKernels(const ProfileReport &report);
/// The GPUs that run the code of such a profile; none for others.
std::vector<const GpuModel *> predictedGpus(const ProfileReport &report);

/// Milliseconds of threads that a kernel needs at least; nothing where its arithmetic is not that
/// of the roofline (matrix units).
std::optional<double> limitOf(const KernelProfile &kernel, const ProfileReport &report);
std::vector<Field> fieldsOf(const KernelProfile &kernel, const ProfileReport &report);

std::vector<std::string> labelsOf(const KernelProfile &kernel);
std::set<uint32_t> linesOf(const KernelProfile &kernel);
/// "12,14-16"
std::string describeLines(const KernelProfile &kernel);

} // namespace danaus
