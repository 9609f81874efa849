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

/// Of a processor for products of one kind, for charts and tables.
struct ArithmeticLimit {
  std::string name; ///< "float32", "bfloat16 on the matrix unit"
  double flops = 0; ///< per second
};

/// All that is known of a step.
struct ProfileReport {
  Measured measured;
  Executor &executor;
  const StepProfile &profile;
  std::string taken;                ///< of what steps the times are: "on made-up data"
  std::optional<Roofline> roofline; ///< of the processor that ran the kernels, where it is known
  /// That KernelProfile::counts are of; null: there are none.
  const PerfCounters *counters = nullptr;
  std::string noCounters; ///< why they are missing where somebody wanted them
};

/// Where the time of a step went.
struct StepPart {
  const char *name, *meaning;
  std::optional<double> milliseconds; ///< by the clock; nothing where it cannot be told
};

/// compute (the kernels, spread over all threads), communication (what sums over ranks cost because
/// no computation hides it), input wait, and idle, the rest. They add up to the step but for
/// rounding, and where kernels of a GPU run beside one another. Empty where the device counts
/// instead: the clock says nothing there.
std::vector<StepPart> stepParts(const ProfileReport &report);

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
/// The same step with the times that its counts predict on the GPU whose architecture the code is
/// for, or on the oldest that runs it, in the place of those of the virtual GPU, which say nothing.
/// `taken` says so. The profile must have counts.
StepProfile predictedProfile(const ProfileReport &report, std::string &taken);

/// Over how many threads the times of kernels are added up: a GPU's are its own.
unsigned timedThreads(const Executor &executor);

/// The limits of the processor that runs a device's kernels: of a CPU as knownRoofline knows them,
/// of a GPU as its data sheet says; nothing for other devices, and GPUs that GpuModel.h lacks.
std::optional<Roofline> rooflineOf(Device &device, const std::string &folder);
/// Milliseconds of threads that a kernel needs at least. Nothing where no limit is known, or not
/// what unit the kernel uses.
std::optional<double> limitOf(const KernelProfile &kernel, const ProfileReport &report);
/// The limits of the kinds of products that occur in the step; empty where none is known.
std::vector<ArithmeticLimit> arithmeticLimits(const ProfileReport &report);
/// A value that is not known is empty.
std::vector<Field> fieldsOf(const KernelProfile &kernel, const ProfileReport &report);

std::vector<std::string> labelsOf(const KernelProfile &kernel);
std::set<uint32_t> linesOf(const KernelProfile &kernel);
/// "12,14-16"
std::string describeLines(const KernelProfile &kernel);

} // namespace danaus
