// See ProfileRows.h.
#include "runtime/profile/ProfileRows.h"

#include <algorithm>
#include <map>

namespace danaus {

std::string number(uint64_t value) { return format("%llu", (unsigned long long)value); }

static std::string archOf(const ProfileReport &report) {
  return report.executor.plan().isa()->str();
}

std::vector<StepPart> stepParts(const ProfileReport &report) {
  if (countsKernels(report))
    return {};
  Executor &executor = report.executor;
  const StepProfile &profile = report.profile;
  double compute = 0;
  for (const KernelProfile &kernel : profile.kernels)
    compute += kernel.milliseconds / timedThreads(executor);
  bool isAlone = executor.ranks().isAlone(), isOnHost = !executor.fillsAhead();
  std::optional<double> communication;
  if (isAlone || isOnHost)
    communication = profile.waits.communication;
  double idle = profile.milliseconds - compute - profile.waits.input - communication.value_or(0);
  return {{"compute", isOnHost ? "kernels, spread over all threads" : "kernels", compute},
          {"communication",
           isAlone    ? "one process"
           : isOnHost ? "sums over ranks that no kernel hides, waiting for other ranks included"
                      : "on the GPU's streams: see a trace",
           communication},
          {"input wait", "batches that were not ready, and copying them", profile.waits.input},
          {"idle",
           isOnHost ? "threads without work: waiting for one another, and between launches"
                    : "the GPU without a kernel: launches, and the host's work between steps",
           std::max(0.0, idle)}};
}

bool countsKernels(const ProfileReport &report) {
  return std::ranges::any_of(report.profile.kernels,
                             [](const KernelProfile &k) { return k.counters.launches > 0; });
}

unsigned timedThreads(const Executor &executor) {
  return executor.plan().target()->str() == "cpu" ? executor.threads() : 1;
}

std::optional<Roofline> rooflineOf(Device &device, const std::string &folder) {
  if (device.kind() == "cpu")
    return knownRoofline(device, folder);
  std::string arch = device.target() == "cuda" ? device.isas().front() : "";
  for (const GpuModel &gpu : gpuModels())
    if (arch == format("sm_%u", gpu.sm))
      return limitOf(gpu);
  return std::nullopt;
}

std::optional<double> limitOf(const KernelProfile &kernel, const ProfileReport &report) {
  const std::optional<Roofline> &roofline = report.roofline;
  if (!roofline)
    return std::nullopt;
  bool isKnown = kernel.matrixFlops && (*kernel.matrixFlops == 0 || roofline->matrixFlops > 0);
  if (kernel.flops && !isKnown)
    return std::nullopt;
  KernelWork work{double(kernel.flops), double(kernel.bytes),
                  double(kernel.matrixFlops.value_or(0)), kernel.matrixProducts};
  return 1e3 * roofline->threads * roofline->seconds(work);
}

/// Of products on the matrix unit that take so many 16-bit ones each.
static std::string matrixName(const ProfileReport &report, uint32_t products) {
  bool isGpu = report.executor.plan().target()->str() == "cuda";
  std::string unit = isGpu ? " on tensor cores" : " on the matrix unit";
  if (products > 1)
    return "float32" + unit + format(", %u products each", products);
  bool isHalf = report.executor.model().training()->dtype() == fb::DType::F16;
  return (isHalf ? "float16" : "bfloat16") + unit;
}

std::vector<ArithmeticLimit> arithmeticLimits(const ProfileReport &report) {
  std::vector<ArithmeticLimit> limits;
  if (!report.roofline)
    return limits;
  bool usesVectors = false;
  std::set<uint32_t> products;
  for (const KernelProfile &kernel : report.profile.kernels) {
    uint64_t onMatrix = kernel.matrixFlops.value_or(0);
    usesVectors |= kernel.flops > onMatrix;
    if (onMatrix)
      products.insert(kernel.matrixProducts);
  }
  if (usesVectors || products.empty())
    limits.push_back({"float32", report.roofline->flops});
  for (uint32_t each : products)
    if (report.roofline->matrixFlops > 0)
      limits.push_back({matrixName(report, each), report.roofline->matrixRate(each)});
  return limits;
}

std::vector<Field> fieldsOf(const KernelProfile &kernel, const ProfileReport &report) {
  const KernelCounters &c = kernel.counters;
  std::vector<Field> fields = {{"launches", number(kernel.launches.size())},
                               {"ms", format("%.6g", kernel.milliseconds)},
                               {"flops", number(kernel.flops)},
                               {"bytes", number(kernel.bytes)}};
  auto add = [&](const char *name, uint64_t value) { fields.push_back({name, number(value)}); };
  fields.push_back({"matrix_flops", kernel.matrixFlops ? number(*kernel.matrixFlops) : ""});
  add("matrix_products", kernel.matrixProducts);
  if (report.roofline) {
    auto limit = limitOf(kernel, report);
    fields.push_back({"limit_ms", limit ? format("%.6g", *limit) : ""});
  }
  if (report.counters)
    add("counted_steps", report.profile.countedSteps);
  if (report.counters)
    for (size_t i = 0; i < kernel.counts.size(); ++i)
      if (report.counters->has(i))
        add(counterNames(report.counters->set())[i], kernel.counts[i]);
  if (c.launches == 0)
    return fields;
  add("registers", kernel.registers);
  add("spill_bytes", kernel.spillBytes);
  add("shared_bytes", kernel.sharedBytes);
  for (auto field : kernelCounterFields) {
    bool isLaunches =
        field.value == &KernelCounters::launches; // in all steps; "launches" is of one
    add(isLaunches ? "counted_launches" : field.name, c.*field.value);
  }
  return fields;
}

/// The GPUs that run code of this architecture. Without tensor cores code for sm_75 is that for
/// sm_70, which NVRTC 13 does not compile for any more: it stands for a V100's.
static std::vector<const GpuModel *> gpusFor(const std::string &arch, bool usesTensorCores) {
  std::vector<const GpuModel *> gpus;
  unsigned sm = arch.starts_with("sm_") ? unsigned(std::atoi(arch.c_str() + 3)) : ~0u;
  unsigned oldest = sm == 75 && !usesTensorCores ? 70 : sm;
  for (const GpuModel &gpu : gpuModels())
    if (gpu.sm >= oldest)
      gpus.push_back(&gpu);
  return gpus;
}

std::vector<const GpuModel *> predictedGpus(const ProfileReport &report) {
  if (!countsKernels(report))
    return {};
  return gpusFor(archOf(report), std::ranges::any_of(report.profile.kernels, [](const auto &k) {
                   return k.counters.tensorFlops > 0;
                 }));
}

StepProfile predictedProfile(const ProfileReport &report, std::string &taken) {
  std::vector<const GpuModel *> gpus = predictedGpus(report);
  auto isOwn = [&](const GpuModel *gpu) { return archOf(report) == format("sm_%u", gpu->sm); };
  auto own = std::ranges::find_if(gpus, isOwn);
  const GpuModel &gpu = own == gpus.end() ? *gpus.front() : **own;
  StepProfile profile = report.profile;
  profile.milliseconds = 0;
  profile.waits = {};
  std::map<const fb::Launch *, double> times;
  for (KernelProfile &kernel : profile.kernels) {
    double each = 1e3 * predict(kernel.counters, gpu).seconds;
    kernel.milliseconds = each * double(kernel.launches.size());
    profile.milliseconds += kernel.milliseconds;
    for (const fb::Launch *launch : kernel.launches)
      times[launch] = each;
  }
  for (LaunchTime &launch : profile.launches)
    launch.milliseconds = times[launch.launch];
  taken = std::string("predicted for ") + (gpu.name[0] == 'A' ? "an " : "a ") + gpu.name +
          " from exact counts on the virtual GPU";
  return profile;
}

std::vector<std::string> labelsOf(const KernelProfile &kernel) {
  std::vector<std::string> labels;
  for (const fb::Launch *launch : kernel.launches)
    if (std::ranges::find(labels, launch->label()->str()) == labels.end())
      labels.push_back(launch->label()->str());
  return labels;
}

std::set<uint32_t> linesOf(const KernelProfile &kernel) {
  std::set<uint32_t> lines;
  for (const fb::Launch *launch : kernel.launches)
    if (launch->lines())
      lines.insert(launch->lines()->begin(), launch->lines()->end());
  return lines;
}

std::string join(const std::vector<std::string> &words, const char *separator) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : separator) + word;
  return text;
}

std::string describeLines(const KernelProfile &kernel) {
  std::vector<std::string> parts;
  std::set<uint32_t> lines = linesOf(kernel);
  for (auto at = lines.begin(); at != lines.end();) {
    uint32_t first = *at, last = first;
    while (++at != lines.end() && *at == last + 1)
      last = *at;
    parts.push_back(first == last ? number(first) : number(first) + "-" + number(last));
  }
  return join(parts, ",");
}

} // namespace danaus
