// See ProfilePrinter.h.
#include "tools/danaus/ProfilePrinter.h"

#include "runtime/profile/GpuModel.h"
#include "runtime/profile/LayerProfile.h"
#include "tools/danaus/OpenModel.h"
#include "tools/danaus/Text.h"

#include <algorithm>
#include <set>
#include <utility>

namespace danaus::tool {

namespace {

/// A named value of a kernel, for JSON and CSV.
struct Field {
  std::string name, value;
};

std::string number(uint64_t value) { return format("%llu", (unsigned long long)value); }

/// Milliseconds of threads that a kernel needs at least; nothing where its arithmetic is not that
/// of the roofline (matrix units).
std::optional<double> limitOf(const KernelProfile &kernel, const std::optional<Roofline> &roofline,
                              const std::string &arch) {
  if (!roofline || (arch == "amx" && kernel.flops))
    return std::nullopt;
  return 1e3 * roofline->threads * roofline->seconds(double(kernel.flops), double(kernel.bytes));
}

std::vector<Field> fieldsOf(const KernelProfile &kernel, const std::optional<double> &limit) {
  const KernelCounters &c = kernel.counters;
  std::vector<Field> fields = {{"launches", number(kernel.launches.size())},
                               {"ms", format("%.6g", kernel.milliseconds)},
                               {"flops", number(kernel.flops)},
                               {"bytes", number(kernel.bytes)}};
  if (limit)
    fields.push_back({"limit_ms", format("%.6g", *limit)});
  if (c.launches == 0)
    return fields;
  auto add = [&](const char *name, uint64_t value) { fields.push_back({name, number(value)}); };
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
std::vector<const GpuModel *> gpusFor(const std::string &arch, bool usesTensorCores) {
  std::vector<const GpuModel *> gpus;
  unsigned sm = arch.starts_with("sm_") ? unsigned(std::atoi(arch.c_str() + 3)) : ~0u;
  unsigned oldest = sm == 75 && !usesTensorCores ? 70 : sm;
  for (const GpuModel &gpu : gpuModels())
    if (gpu.sm >= oldest)
      gpus.push_back(&gpu);
  return gpus;
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

/// "12, 14 to 16, ...".
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

/// The first labels, and how many more.
std::string describeLabels(const KernelProfile &kernel) {
  std::vector<std::string> labels = labelsOf(kernel);
  constexpr size_t most = 2;
  std::string text =
      join({labels.begin(), labels.begin() + long(std::min(most, labels.size()))}, "; ");
  return labels.size() <= most ? text : text + format("; %zu more", labels.size() - most);
}

std::string ratio(uint64_t value, uint64_t to) {
  return to ? format("%.2f", double(value) / double(to)) : "-";
}

class Printer {
public:
  Printer(ProfileFormat format_, Measured measured, Executor &executor, const StepProfile &profile,
          const std::optional<Roofline> &roofline)
      : style(format_), measured(measured), executor(executor), profile(profile),
        roofline(roofline), arch(executor.plan().isa()->str()) {
    gpus = gpusFor(arch, std::ranges::any_of(profile.kernels, [](const KernelProfile &k) {
                     return k.counters.tensorFlops > 0;
                   }));
    counts = std::ranges::any_of(profile.kernels,
                                 [](const KernelProfile &k) { return k.counters.launches > 0; });
    if (!counts)
      gpus.clear();
  }

  void print() {
    if (style == ProfileFormat::Json)
      return printJson();
    if (style == ProfileFormat::Csv)
      return printCsv();
    printHead();
    counts ? printCounters() : printTimes();
  }

private:
  void printHead() {
    std::printf("%s   %s step, batch %s, %s   %s, %s   %s step%s\n",
                executor.model().name()->c_str(),
                measured == Measured::Evaluation ? "evaluation" : "training",
                number(measuredRows(executor, measured)).c_str(),
                describeDtype(executor.model(), executor.plan()).c_str(),
                std::string(executor.device().kind()).c_str(), arch.c_str(),
                number(profile.steps).c_str(), profile.steps == 1 ? "" : "s");
  }

  void printTimes() {
    using enum Table::Align;
    Table table({Left, Left, Right, Right, Right, Right, Right, Right, Left, Left});
    table.row({"kernel", "kind", "launches", "thread us", "share", "GFLOP/s", "GB/s", "of limit",
               "layers", "lines"});
    double sum = 0, limits = 0, limited = 0;
    for (const KernelProfile &kernel : profile.kernels)
      sum += kernel.milliseconds;
    for (const KernelProfile &kernel : profile.kernels) {
      double ms = kernel.milliseconds;
      auto rate = [&](uint64_t amount) {
        return ms > 0 ? format("%.1f", double(amount) / ms * 1e-6) : "-";
      };
      table.row({kernel.symbol, kernel.kind, thousands(kernel.launches.size()),
                 format("%.1f", 1e3 * ms), format("%.1f %%", sum > 0 ? 100 * ms / sum : 0),
                 rate(kernel.flops), rate(kernel.bytes),
                 shareText(limitOf(kernel, roofline, arch), ms), describeLabels(kernel),
                 describeLines(kernel)});
      if (auto limit = limitOf(kernel, roofline, arch)) {
        limits += *limit;
        limited += ms;
      }
    }
    std::fputs(table.text().c_str(), stdout);
    if (roofline)
      std::printf(
          "Limit of this machine, measured, %u thread%s: %.1f GFLOP/s in float32, %.1f GB/s "
          "to and from memory;\nof it all kernels together %s. What is in cache can be "
          "above 100 %%.\n",
          roofline->threads, roofline->threads == 1 ? "" : "s", roofline->flops * 1e-9,
          roofline->bytesPerSecond * 1e-9, shareText(limits, limited).c_str());
    printLayers(sum);
    double threads = executor.device().threads() * profile.milliseconds;
    if (threads > 0)
      std::printf(
          "A step took %.3f ms of %u thread%s: kernels %.1f %%, waiting for one another and "
          "between launches %.1f %%.\n",
          profile.milliseconds, executor.device().threads(),
          executor.device().threads() == 1 ? "" : "s", 100 * sum / threads,
          std::max(0.0, 100 - 100 * sum / threads));
  }

  void printLayers(double sum) {
    using enum Table::Align;
    Table table({Left, Left, Right, Right, Left});
    table.row({"layer", "structure", "thread us", "share", "line"});
    for (const LayerProfile &layer : profileLayers(profile, executor.phase()))
      table.row({layer.name, layer.layer ? layer.layer->structure()->str() : "-",
                 format("%s%.1f", layer.isEstimated ? "~" : "", 1e3 * layer.milliseconds),
                 format("%.1f %%", sum > 0 ? 100 * layer.milliseconds / sum : 0),
                 layer.layer ? number(layer.layer->line()) : "-"});
    std::printf("\n%s~ with shares of kernels that compute several layers, by their "
                "multiply-accumulates.\n\n",
                table.text().c_str());
  }

  static std::string shareText(const std::optional<double> &limit, double ms) {
    return limit && ms > 0 ? format("%.0f %%", 100 * *limit / ms) : "-";
  }

  /// Traffic, sectors and waves stand beside their least; 1.00 is the best there is.
  void printCounters() {
    using enum Table::Align;
    std::vector<Table::Align> columns = {Left,  Right, Right, Right, Right, Right,
                                         Right, Right, Right, Right, Right};
    std::vector<std::string> head = {"kernel", "launches", "blocks",      "registers",
                                     "spills", "DRAM KB",  "/ least",     "sectors",
                                     "waves",  "M instr",  "tensor MFLOP"};
    for (const GpuModel *gpu : gpus) {
      columns.push_back(Right);
      columns.push_back(Left);
      head.push_back(std::string(gpu->name) + " us*");
      head.push_back("bound");
    }
    columns.insert(columns.end(), {Left, Left});
    head.insert(head.end(), {"layers", "lines"});
    Table table(columns);
    table.row(head);
    std::vector<double> sums(gpus.size());
    uint64_t instructions = 0;
    double milliseconds = 0;
    for (const KernelProfile &kernel : profile.kernels) {
      table.row(counterRow(kernel, sums));
      instructions += kernel.counters.threadInstructions;
      milliseconds += kernel.milliseconds * double(profile.steps);
    }
    std::fputs(table.text().c_str(), stdout);
    for (size_t i = 0; i < gpus.size(); ++i)
      std::printf("%s %s: %.3f ms a step, predicted\n", i ? "  " : "*", gpus[i]->name,
                  1e3 * sums[i]);
    std::printf("The virtual GPU ran %.2f G instructions of threads, %.2f G a second. Predicted "
                "times: the longest of\nmemory, second-level cache, shared memory, instruction "
                "issue, float and tensor units, and %.0f us a launch.\n",
                double(instructions) * 1e-9,
                milliseconds > 0 ? double(instructions) / milliseconds * 1e-6 : 0,
                1e6 * LaunchSeconds);
  }

  std::vector<std::string> counterRow(const KernelProfile &kernel, std::vector<double> &sums) {
    const KernelCounters &c = kernel.counters;
    uint64_t launches = std::max<uint64_t>(c.launches, 1), perStep = kernel.launches.size();
    auto each = [&](uint64_t total, double unit) {
      return format("%.2f", double(total) / double(launches) * double(perStep) / unit);
    };
    uint64_t traffic = c.uniqueReadBytes + c.uniqueWrittenBytes;
    std::vector<std::string> row = {kernel.symbol,
                                    thousands(perStep),
                                    thousands(c.blocks / launches),
                                    number(kernel.registers),
                                    number(kernel.spillBytes),
                                    each(traffic, 1e3),
                                    ratio(traffic * perStep, kernel.bytes * launches),
                                    ratio(c.globalSectors, c.idealGlobalSectors),
                                    ratio(c.sharedWaves, c.idealSharedWaves),
                                    each(c.threadInstructions, 1e6),
                                    each(c.tensorFlops, 1e6)};
    for (size_t i = 0; i < gpus.size(); ++i) {
      PredictedTime time = predict(c, *gpus[i]);
      sums[i] += time.seconds * double(perStep);
      row.push_back(format("%.1f", 1e6 * time.seconds * double(perStep)));
      row.push_back(time.bound);
    }
    row.push_back(describeLabels(kernel));
    row.push_back(describeLines(kernel));
    return row;
  }

  void printJson() {
    std::printf("{\"model\": %s, \"device\": %s, \"arch\": %s, \"step\": \"%s\", \"batch\": %s, "
                "\"steps\": %s, \"kernels\": [",
                jsonString(executor.model().name()->str()).c_str(),
                jsonString(std::string(executor.device().kind())).c_str(), jsonString(arch).c_str(),
                measured == Measured::Evaluation ? "evaluation" : "training",
                number(measuredRows(executor, measured)).c_str(), number(profile.steps).c_str());
    const char *separator = "\n";
    for (const KernelProfile &kernel : profile.kernels) {
      std::vector<std::string> labels, lines;
      for (const std::string &label : labelsOf(kernel))
        labels.push_back(jsonString(label));
      for (uint32_t line : linesOf(kernel))
        lines.push_back(number(line));
      std::printf("%s{\"kernel\": %s, \"kind\": %s, \"layers\": [%s], \"lines\": [%s]", separator,
                  jsonString(kernel.symbol).c_str(), jsonString(kernel.kind).c_str(),
                  join(labels, ", ").c_str(), join(lines, ", ").c_str());
      for (const Field &field : fieldsOf(kernel, limitOf(kernel, roofline, arch)))
        std::printf(", \"%s\": %s", field.name.c_str(), field.value.c_str());
      std::vector<std::string> times;
      for (const GpuModel *gpu : gpus) {
        PredictedTime time = predict(kernel.counters, *gpu);
        times.push_back(format("\"%s\": {\"us\": %.6g, \"bound\": \"%s\"}", gpu->name,
                               1e6 * time.seconds * double(kernel.launches.size()), time.bound));
      }
      std::printf("%s}",
                  times.empty() ? "" : (", \"predicted\": {" + join(times, ", ") + "}").c_str());
      separator = ",\n";
    }
    std::printf("\n], \"ms_per_step\": %.6g, \"by_layer\": [", profile.milliseconds);
    separator = "\n";
    for (const LayerProfile &layer : profileLayers(profile, executor.phase())) {
      std::printf("%s{\"layer\": %s, \"structure\": %s, \"ms\": %.6g, \"estimated\": %s}",
                  separator, jsonString(layer.name).c_str(),
                  layer.layer ? jsonString(layer.layer->structure()->str()).c_str() : "null",
                  layer.milliseconds, layer.isEstimated ? "true" : "false");
      separator = ",\n";
    }
    std::printf("\n]}\n");
  }

  void printCsv() {
    bool isFirst = true;
    for (const KernelProfile &kernel : profile.kernels) {
      std::vector<std::string> names = {"kernel", "kind", "layers", "lines"};
      std::vector<std::string> values = {kernel.symbol, kernel.kind,
                                         "\"" + join(labelsOf(kernel), "; ") + "\"",
                                         "\"" + describeLines(kernel) + "\""};
      for (const Field &field : fieldsOf(kernel, limitOf(kernel, roofline, arch))) {
        names.push_back(field.name);
        values.push_back(field.value);
      }
      for (const GpuModel *gpu : gpus) {
        PredictedTime time = predict(kernel.counters, *gpu);
        names.push_back(std::string("predicted_us_") + gpu->name);
        values.push_back(format("%.6g", 1e6 * time.seconds * double(kernel.launches.size())));
      }
      if (std::exchange(isFirst, false))
        std::printf("%s\n", join(names, ",").c_str());
      std::printf("%s\n", join(values, ",").c_str());
    }
  }

  ProfileFormat style;
  Measured measured;
  Executor &executor;
  const StepProfile &profile;
  const std::optional<Roofline> &roofline;
  std::string arch;
  std::vector<const GpuModel *> gpus; ///< for which times are predicted
  bool counts;
};

} // namespace

void printProfile(ProfileFormat format, Measured measured, Executor &executor,
                  const StepProfile &profile, const std::optional<Roofline> &roofline) {
  Printer(format, measured, executor, profile, roofline).print();
}

} // namespace danaus::tool
