// See ProfileJson.h.
#include "runtime/profile/ProfileJson.h"

#include "runtime/profile/LayerProfile.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace danaus {

namespace {

using ull = unsigned long long;

std::string jsonText(const std::string &text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string kernelJson(const KernelProfile &kernel, const ProfileReport &report) {
  std::vector<std::string> labels, lines, times;
  for (const std::string &label : labelsOf(kernel))
    labels.push_back(jsonText(label));
  for (uint32_t line : linesOf(kernel))
    lines.push_back(std::to_string(line));
  std::string text = "{\"kernel\": " + jsonText(kernel.symbol) +
                     ", \"kind\": " + jsonText(kernel.kind) + ", \"layers\": [" +
                     join(labels, ", ") + "], \"lines\": [" + join(lines, ", ") + "]";
  for (const Field &field : fieldsOf(kernel, report))
    text += ", \"" + field.name + "\": " + (field.value.empty() ? "null" : field.value);
  for (const GpuModel *gpu : predictedGpus(report)) {
    PredictedTime time = predict(kernel.counters, *gpu);
    times.push_back(format("\"%s\": {\"us\": %.6g, \"bound\": \"%s\"}", gpu->name,
                           1e6 * time.seconds * double(kernel.launches.size()), time.bound));
  }
  if (!times.empty())
    text += ", \"predicted\": {" + join(times, ", ") + "}";
  return text + "}";
}

std::string layerJson(const LayerProfile &layer) {
  return "{\"layer\": " + jsonText(layer.name) +
         ", \"structure\": " + (layer.layer ? jsonText(layer.layer->structure()->str()) : "null") +
         format(", \"ms\": %.6g, \"estimated\": %s}", layer.milliseconds,
                layer.isEstimated ? "true" : "false");
}

/// {"compute": {"ms", "share"}, ...}, or null.
std::string timeJson(const ProfileReport &report) {
  if (stepParts(report).empty())
    return "null";
  std::vector<std::string> parts;
  for (const StepPart &part : stepParts(report)) {
    std::string name = part.name;
    std::ranges::replace(name, ' ', '_');
    double whole = report.profile.milliseconds;
    parts.push_back("\"" + name + "\": " +
                    (part.milliseconds
                         ? format("{\"ms\": %.6g, \"share\": %.4g}", *part.milliseconds,
                                  whole > 0 ? *part.milliseconds / whole : 0)
                         : "null"));
  }
  return "{" + join(parts, ", ") + "}";
}

std::string limitJson(const ProfileReport &report) {
  const Roofline &roofline = *report.roofline;
  std::vector<std::string> lines;
  for (const ArithmeticLimit &each : arithmeticLimits(report))
    lines.push_back("{\"name\": " + jsonText(each.name) + format(", \"flops\": %.6g}", each.flops));
  return "{\"from\": " + jsonText(roofline.from) +
         format(", \"flops\": %.6g, \"matrix_flops\": %.6g, \"bytes_per_second\": %.6g, "
                "\"cache_bytes_per_second\": %.6g, \"of_products\": [",
                roofline.flops, roofline.matrixFlops, roofline.bytesPerSecond,
                roofline.cacheBytesPerSecond) +
         join(lines, ", ") + "]}";
}

} // namespace

std::string profileJson(const ProfileReport &report) {
  Executor &executor = report.executor;
  const StepProfile &profile = report.profile;
  std::string device(executor.device().kind());
  std::vector<std::string> kernels, layers;
  for (const KernelProfile &kernel : profile.kernels)
    kernels.push_back(kernelJson(kernel, report));
  for (const LayerProfile &layer : profileLayers(profile, executor.phase()))
    layers.push_back(layerJson(layer));
  std::string counters = !report.counters                                 ? "null"
                         : report.counters->set() == CounterSet::Hardware ? "\"hardware\""
                                                                          : "\"software\"";
  std::string text =
      "{\"model\": " + jsonText(executor.model().name()->str()) +
      ", \"device\": " + jsonText(device) +
      ", \"arch\": " + jsonText(executor.plan().isa()->str()) +
      format(", \"step\": \"%s\", \"batch\": %llu, \"steps\": %llu, \"kernels\": [\n",
             report.measured == Measured::Evaluation ? "evaluation" : "training",
             ull(measuredRows(executor, report.measured)), ull(profile.steps)) +
      join(kernels, ",\n") +
      "\n], \"times_by\": " + (device == "cpu" ? "\"clock\"" : "\"CUDA events\"") +
      ", \"counters\": " + counters +
      ", \"no_counters\": " + (report.noCounters.empty() ? "null" : jsonText(report.noCounters)) +
      format(", \"ms_per_step\": %.6g, \"threads\": %u, \"taken\": ", profile.milliseconds,
             timedThreads(executor)) +
      jsonText(report.taken);
  text += ", \"time\": " + timeJson(report);
  if (report.roofline)
    text += ", \"limit\": " + limitJson(report);
  return text + ", \"by_layer\": [\n" + join(layers, ",\n") + "\n]}\n";
}

} // namespace danaus
