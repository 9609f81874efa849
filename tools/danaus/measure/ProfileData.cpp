// `danaus profile` for programs: JSON and CSV, one object or row for each kernel.
#include "runtime/profile/ProfileJson.h"
#include "tools/danaus/measure/ProfilePrinter.h"

#include <algorithm>
#include <utility>

namespace danaus::tool {

void printJson(const ProfileReport &report) { std::fputs(profileJson(report).c_str(), stdout); }

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
    names.push_back("step_ms");
    values.push_back(format("%.6g", report.profile.milliseconds));
    for (const StepPart &part : stepParts(report)) {
      names.push_back(std::string(part.name) + "_ms");
      std::ranges::replace(names.back(), ' ', '_');
      values.push_back(part.milliseconds ? format("%.6g", *part.milliseconds) : "");
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
