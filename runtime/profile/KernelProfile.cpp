// See KernelProfile.h.
#include "runtime/profile/KernelProfile.h"

#include "runtime/plan/CudaCode.h"

#include <algorithm>
#include <functional>
#include <map>

namespace danaus {

namespace {

/// What happened between two readings of a device's counters, by symbol.
std::map<std::string, KernelCounters> difference(const std::vector<KernelCounters> &before,
                                                 const std::vector<KernelCounters> &after) {
  std::map<std::string, KernelCounters> result;
  for (const KernelCounters &now : after)
    result[now.symbol] = now;
  for (const KernelCounters &then : before)
    for (auto field : kernelCounterFields)
      result[then.symbol].*field.value -= then.*field.value;
  return result;
}

/// Registers, spills and shared memory of the code that the GPU's architecture runs.
void addCode(KernelProfile &kernel, const fb::CudaCode &code, const std::string &arch) {
  for (const fb::CudaKernel *own : *code.kernels()) {
    if (own->symbol()->str() != kernel.symbol)
      continue;
    kernel.sharedBytes = own->shared_bytes();
    for (const fb::CudaBinary *binary : *own->binaries()) {
      if (binary->arch()->str() != arch)
        continue;
      kernel.registers = binary->registers();
      kernel.spillBytes = binary->spill_bytes();
      kernel.sharedBytes += binary->shared_bytes();
    }
  }
}

/// Plans for instruction sets without a matrix unit need not say that they use none.
void addMatrixFlops(KernelProfile &kernel, const fb::Launch &launch, const fb::TargetPlan &plan) {
  auto flops = launch.matrix_flops();
  bool isKnown = flops || (plan.target()->str() == "cpu" && plan.isa()->str() != "amx");
  if (!isKnown)
    kernel.matrixFlops.reset();
  else if (kernel.matrixFlops)
    *kernel.matrixFlops += flops.value_or(0);
  kernel.matrixProducts = std::max(kernel.matrixProducts, launch.matrix_products());
}

} // namespace

StepProfile profileOf(Executor &executor, LaunchTimes times) {
  StepProfile profile;
  std::map<std::string, size_t> known;
  for (const LaunchTime &time : times.launches) {
    const fb::Kernel &table = *executor.plan().kernels()->Get(time.launch->kernel());
    auto [at, isNew] = known.try_emplace(table.symbol()->str(), profile.kernels.size());
    if (isNew) {
      KernelProfile &kernel = profile.kernels.emplace_back();
      kernel.symbol = table.symbol()->str();
      kernel.kind = table.kind()->str();
    }
    KernelProfile &kernel = profile.kernels[at->second];
    kernel.launches.push_back(time.launch);
    kernel.milliseconds += time.milliseconds;
    kernel.flops += time.launch->flops();
    kernel.bytes += time.launch->bytes();
    addMatrixFlops(kernel, *time.launch, executor.plan());
  }
  profile.steps = times.steps;
  profile.milliseconds = times.milliseconds;
  profile.waits = times.waits;
  profile.launches = std::move(times.launches);
  return profile;
}

Expected<StepProfile> profileKernels(Executor &executor, Measured what,
                                     const MeasureOptions &options) {
  std::vector<KernelCounters> before = executor.device().kernelCounters();
  auto times = measureLaunches(executor, what, options);
  if (!times)
    return times.takeError();
  auto counters = difference(before, executor.device().kernelCounters());
  StepProfile profile = profileOf(executor, std::move(*times));
  auto code = executor.plan().target()->str() == "cuda" ? readCudaCode(executor.code())
                                                        : Expected<const fb::CudaCode *>(nullptr);
  for (KernelProfile &kernel : profile.kernels) {
    if (auto found = counters.find(kernel.symbol); found != counters.end())
      kernel.counters = found->second;
    if (code && *code)
      addCode(kernel, **code, executor.device().isas().front());
  }
  return profile;
}

Status countKernels(Executor &executor, Measured what, ThreadCounters &counters, uint64_t steps,
                    StepProfile &into) {
  auto counted =
      measureLaunches(executor, what, {.warmups = 0, .repeats = steps, .counters = &counters});
  if (!counted)
    return counted.takeError();
  into.countedSteps = steps;
  for (const LaunchTime &time : counted->launches)
    for (KernelProfile &kernel : into.kernels)
      if (std::ranges::find(kernel.launches, time.launch) != kernel.launches.end()) {
        kernel.countedMilliseconds += time.total;
        std::ranges::transform(kernel.counts, time.counts, kernel.counts.begin(), std::plus<>());
      }
  return Status::ok();
}

} // namespace danaus
