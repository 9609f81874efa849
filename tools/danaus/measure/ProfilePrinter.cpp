// See ProfilePrinter.h. Here the tables for people; ProfileData.cpp has JSON and CSV.
#include "tools/danaus/measure/ProfilePrinter.h"

#include "runtime/profile/LayerProfile.h"
#include "tools/danaus/command/OpenModel.h"
#include "tools/danaus/command/Text.h"

#include <algorithm>
#include <cmath>

namespace danaus::tool {

namespace {

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
  explicit Printer(const ProfileReport &report)
      : report(report), executor(report.executor), profile(report.profile),
        roofline(report.roofline), arch(executor.plan().isa()->str()), gpus(predictedGpus(report)) {
  }

  void print() {
    printHead();
    countsKernels(report) ? printCounters() : printTimes();
  }

private:
  void printHead() {
    std::printf("%s   %s step, batch %s, %s   %s, %s   %s step%s\n",
                executor.model().name()->c_str(),
                report.measured == Measured::Evaluation ? "evaluation" : "training",
                number(measuredRows(executor, report.measured)).c_str(),
                describeDtype(executor.model(), executor.plan()).c_str(),
                std::string(executor.device().kind()).c_str(), arch.c_str(),
                number(profile.steps).c_str(), profile.steps == 1 ? "" : "s");
  }

  void printTimes() {
    using enum Table::Align;
    std::vector<Table::Align> columns = {Left, Left, Right, Right, Right, Right, Right, Right};
    std::vector<std::string> head = {"kernel", "kind",    "launches", "thread us",
                                     "share",  "GFLOP/s", "GB/s",     "of limit"};
    for (const char *name : countHeads()) {
      columns.push_back(Right);
      head.push_back(name);
    }
    columns.insert(columns.end(), {Left, Left});
    head.insert(head.end(), {"layers", "lines"});
    Table table(columns);
    table.row(head);
    double sum = 0, limits = 0, limited = 0;
    for (const KernelProfile &kernel : profile.kernels)
      sum += kernel.milliseconds;
    for (const KernelProfile &kernel : profile.kernels) {
      double ms = kernel.milliseconds;
      auto rate = [&](uint64_t amount) {
        return ms > 0 ? format("%.1f", double(amount) / ms * 1e-6) : "-";
      };
      std::vector<std::string> row = {kernel.symbol,
                                      kernel.kind,
                                      thousands(kernel.launches.size()),
                                      format("%.1f", 1e3 * ms),
                                      format("%.1f %%", sum > 0 ? 100 * ms / sum : 0),
                                      rate(kernel.flops),
                                      rate(kernel.bytes),
                                      shareText(limitOf(kernel, report), ms)};
      for (std::string &cell : countCells(kernel))
        row.push_back(std::move(cell));
      row.push_back(describeLabels(kernel));
      row.push_back(describeLines(kernel));
      table.row(row);
      if (auto limit = limitOf(kernel, report)) {
        limits += *limit;
        limited += ms;
      }
    }
    std::fputs(table.text().c_str(), stdout);
    if (roofline)
      printLimit(shareText(limits, limited));
    printCounterNote();
    if (executor.device().kind() != "cpu")
      std::printf("Times by CUDA events between kernels, which run one by one here and in a graph "
                  "in a run.\n");
    printLayers(sum);
    printParts();
  }

  void printParts() const {
    using enum Table::Align;
    Table table({Left, Right, Right, Left});
    table.row({"part", "ms", "share", "what"});
    for (const StepPart &part : stepParts(report)) {
      double ms = part.milliseconds.value_or(0), whole = profile.milliseconds;
      table.row({part.name, part.milliseconds ? format("%.3f", ms) : "-",
                 part.milliseconds && whole > 0 ? format("%.1f %%", 100 * ms / whole) : "-",
                 part.meaning});
    }
    std::string threads =
        executor.device().kind() == "cpu"
            ? format(" on %u thread%s", executor.threads(), executor.threads() == 1 ? "" : "s")
            : "";
    std::printf("A step took %.3f ms%s, %s:\n%s", profile.milliseconds, threads.c_str(),
                report.taken.c_str(), table.text().c_str());
  }

  void printLimit(const std::string &share) const {
    std::vector<std::string> rates;
    for (const ArithmeticLimit &each : arithmeticLimits(report))
      rates.push_back(format("%.1f GFLOP/s in %s", each.flops * 1e-9, each.name.c_str()));
    rates.push_back(format("%.1f GB/s to and from memory", roofline->bytesPerSecond * 1e-9));
    std::string whose = executor.device().kind() == "cpu"
                            ? format("of this machine, measured, %u thread%s", roofline->threads,
                                     roofline->threads == 1 ? "" : "s")
                            : "by the " + roofline->from;
    std::printf("Limit %s: %s;\nof it all kernels together %s. What is in cache "
                "(%.1f GB/s in the second level) can be above 100 %%.\n",
                whose.c_str(), join(rates, ", ").c_str(), share.c_str(),
                roofline->cacheBytesPerSecond * 1e-9);
  }

  std::vector<const char *> countHeads() const {
    if (!report.counters)
      return {};
    return report.counters->set() == CounterSet::Hardware
               ? std::vector{"k cycles", "IPC", "missed KB"}
               : std::vector{"page faults", "on CPU", "switches"};
  }

  /// Of one step, as countHeads names them; "-" for what this machine does not count.
  std::vector<std::string> countCells(const KernelProfile &kernel) const {
    if (!report.counters)
      return {};
    double steps = double(std::max<uint64_t>(profile.countedSteps, 1));
    auto count = [&](size_t place) { return double(kernel.counts[place]) / steps; };
    std::vector<std::string> cells(ThreadCounters::Most, "-");
    auto fill = [&](size_t place, const char *style, double value) {
      if (report.counters->has(place) && std::isfinite(value))
        cells[place] = format(style, value);
    };
    if (report.counters->set() == CounterSet::Hardware) {
      using namespace hardware_counter;
      fill(Cycles, "%.1f", count(Cycles) * 1e-3);
      fill(Instructions, "%.2f", count(Instructions) / count(Cycles));
      fill(CacheMisses, "%.1f", count(CacheMisses) * double(CacheLineBytes) * 1e-3);
    } else {
      using namespace software_counter;
      fill(TaskClock, "%.0f %%",
           1e-4 * double(kernel.counts[TaskClock]) / kernel.countedMilliseconds);
      fill(PageFaults, "%.1f", count(PageFaults));
      fill(ContextSwitches, "%.1f", count(ContextSwitches));
    }
    return cells;
  }

  void printCounterNote() const {
    if (!report.noCounters.empty())
      std::printf("No counters of the processor: %s.\n", report.noCounters.c_str());
    else if (report.counters && report.counters->set() == CounterSet::Hardware)
      std::printf("Counted by the processor in user mode, a step's, in %s steps more: IPC, "
                  "instructions in a cycle;\nmissed, what misses of the last-level cache brought "
                  "from memory.\n",
                  number(profile.countedSteps).c_str());
    else if (report.counters)
      std::printf(
          "Counted by Linux, a step's, in %s steps more: on CPU, the share of the time that "
          "the threads ran and nobody else in their place.\n",
          number(profile.countedSteps).c_str());
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

  const ProfileReport &report;
  Executor &executor;
  const StepProfile &profile;
  const std::optional<Roofline> &roofline;
  std::string arch;
  std::vector<const GpuModel *> gpus; ///< for which times are predicted
};

} // namespace

void printTable(const ProfileReport &report) { Printer(report).print(); }

} // namespace danaus::tool
