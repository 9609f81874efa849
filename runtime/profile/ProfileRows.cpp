// See ProfileRows.h.
#include "runtime/profile/ProfileRows.h"

#include <algorithm>

namespace danaus {

std::string number(uint64_t value) { return format("%llu", (unsigned long long)value); }

static std::string archOf(const ProfileReport &report) {
  return report.executor.plan().isa()->str();
}

bool countsKernels(const ProfileReport &report) {
  return std::ranges::any_of(report.profile.kernels,
                             [](const KernelProfile &k) { return k.counters.launches > 0; });
}

std::optional<double> limitOf(const KernelProfile &kernel, const ProfileReport &report) {
  const std::optional<Roofline> &roofline = report.roofline;
  if (!roofline || (archOf(report) == "amx" && kernel.flops))
    return std::nullopt;
  return 1e3 * roofline->threads * roofline->seconds(double(kernel.flops), double(kernel.bytes));
}

std::vector<Field> fieldsOf(const KernelProfile &kernel, const ProfileReport &report) {
  const KernelCounters &c = kernel.counters;
  std::vector<Field> fields = {{"launches", number(kernel.launches.size())},
                               {"ms", format("%.6g", kernel.milliseconds)},
                               {"flops", number(kernel.flops)},
                               {"bytes", number(kernel.bytes)}};
  auto add = [&](const char *name, uint64_t value) { fields.push_back({name, number(value)}); };
  if (auto limit = limitOf(kernel, report))
    fields.push_back({"limit_ms", format("%.6g", *limit)});
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
