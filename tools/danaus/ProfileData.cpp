// `danaus profile` for programs: JSON and CSV, one object or row for each kernel.
#include "runtime/profile/LayerProfile.h"
#include "tools/danaus/OpenModel.h"
#include "tools/danaus/ProfileRows.h"
#include "tools/danaus/Text.h"

#include <utility>

namespace danaus::tool {

void printJson(const ProfileReport &report) {
  std::printf("{\"model\": %s, \"device\": %s, \"arch\": %s, \"step\": \"%s\", \"batch\": %s, "
              "\"steps\": %s, \"kernels\": [",
              jsonString(report.executor.model().name()->str()).c_str(),
              jsonString(std::string(report.executor.device().kind())).c_str(),
              jsonString(report.executor.plan().isa()->str()).c_str(),
              report.measured == Measured::Evaluation ? "evaluation" : "training",
              number(measuredRows(report.executor, report.measured)).c_str(),
              number(report.profile.steps).c_str());
  const char *separator = "\n";
  for (const KernelProfile &kernel : report.profile.kernels) {
    std::vector<std::string> labels, lines;
    for (const std::string &label : labelsOf(kernel))
      labels.push_back(jsonString(label));
    for (uint32_t line : linesOf(kernel))
      lines.push_back(number(line));
    std::printf("%s{\"kernel\": %s, \"kind\": %s, \"layers\": [%s], \"lines\": [%s]", separator,
                jsonString(kernel.symbol).c_str(), jsonString(kernel.kind).c_str(),
                join(labels, ", ").c_str(), join(lines, ", ").c_str());
    for (const Field &field : fieldsOf(kernel, report))
      std::printf(", \"%s\": %s", field.name.c_str(), field.value.c_str());
    std::vector<std::string> times;
    for (const GpuModel *gpu : predictedGpus(report)) {
      PredictedTime time = predict(kernel.counters, *gpu);
      times.push_back(format("\"%s\": {\"us\": %.6g, \"bound\": \"%s\"}", gpu->name,
                             1e6 * time.seconds * double(kernel.launches.size()), time.bound));
    }
    std::printf("%s}",
                times.empty() ? "" : (", \"predicted\": {" + join(times, ", ") + "}").c_str());
    separator = ",\n";
  }
  std::printf("\n], \"times_by\": \"%s\", \"counters\": %s, \"no_counters\": %s, \"ms_per_step\": "
              "%.6g, \"by_layer\": [",
              report.executor.device().kind() == "cpu" ? "clock" : "CUDA events",
              !report.counters                                 ? "null"
              : report.counters->set() == CounterSet::Hardware ? "\"hardware\""
                                                               : "\"software\"",
              report.noCounters.empty() ? "null" : jsonString(report.noCounters).c_str(),
              report.profile.milliseconds);
  separator = "\n";
  for (const LayerProfile &layer : profileLayers(report.profile, report.executor.phase())) {
    std::printf("%s{\"layer\": %s, \"structure\": %s, \"ms\": %.6g, \"estimated\": %s}", separator,
                jsonString(layer.name).c_str(),
                layer.layer ? jsonString(layer.layer->structure()->str()).c_str() : "null",
                layer.milliseconds, layer.isEstimated ? "true" : "false");
    separator = ",\n";
  }
  std::printf("\n]}\n");
}

void printCsv(const ProfileReport &report) {
  bool isFirst = true;
  for (const KernelProfile &kernel : report.profile.kernels) {
    std::vector<std::string> names = {"kernel", "kind", "layers", "lines"};
    std::vector<std::string> values = {kernel.symbol, kernel.kind,
                                       "\"" + join(labelsOf(kernel), "; ") + "\"",
                                       "\"" + describeLines(kernel) + "\""};
    for (const Field &field : fieldsOf(kernel, report)) {
      names.push_back(field.name);
      values.push_back(field.value);
    }
    for (const GpuModel *gpu : predictedGpus(report)) {
      PredictedTime time = predict(kernel.counters, *gpu);
      names.push_back(std::string("predicted_us_") + gpu->name);
      values.push_back(format("%.6g", 1e6 * time.seconds * double(kernel.launches.size())));
    }
    if (std::exchange(isFirst, false))
      std::printf("%s\n", join(names, ",").c_str());
    std::printf("%s\n", join(values, ",").c_str());
  }
}

} // namespace danaus::tool
