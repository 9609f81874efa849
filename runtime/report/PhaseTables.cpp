// The layers and kernels of a phase, with measured times where there are any.
#include "runtime/profile/LayerProfile.h"
#include "runtime/report/Page.h"
#include "runtime/report/Sections.h"

namespace danaus {

namespace {

using nlohmann::json;

std::string microseconds(double milliseconds) { return format("%.1f", 1e3 * milliseconds); }

std::string percent(double part, double whole) {
  return whole > 0 ? format("%.1f %%", 100 * part / whole) : "";
}

double sumOfKernels(const json &profile) {
  double sum = 0;
  for (const json &kernel : profile.value("kernels", json::array()))
    sum += numberOf(kernel, "ms");
  return sum;
}

/// Times of a GPU are its own, those of a CPU its threads' together.
bool isOfThreads(const json &profile) { return profile.value("device", "cpu") == "cpu"; }

const char *timeHead(const json &profile) {
  return isOfThreads(profile) ? "thread \u00b5s" : "\u00b5s";
}

/// Layers that the profile names, by name.
std::map<std::string, json> timesOf(const json &profile) {
  std::map<std::string, json> times;
  if (profile.is_object())
    for (const json &layer : profile.value("by_layer", json::array()))
      times[layer.value("layer", "")] = layer;
  return times;
}

void addTime(std::vector<HtmlCell> &cells, const json &layer, double sum) {
  double ms = numberOf(layer, "ms");
  cells.push_back({(layer.value("estimated", false) ? "~" : "") + microseconds(ms)});
  cells.push_back({percent(ms, sum), false, sum > 0 ? ms / sum : 0});
}

std::vector<uint64_t> numbersOf(const json &list) {
  std::vector<uint64_t> numbers;
  for (const json &each : list)
    numbers.push_back(each.get<uint64_t>());
  return numbers;
}

/// The layers that a kernel's launches compute.
std::string layersText(const json &kernel) {
  constexpr size_t most = 8;
  std::vector<std::string> names;
  for (const json &label : kernel.value("layers", json::array()))
    for (const std::string &name : layersOfLabel(label.get<std::string>()))
      names.push_back(name);
  return compactNames(names, most);
}

/// Where the time of a step went; of a profile that does not say it, which is older, its length.
std::string partTable(const json &profile, double threads) {
  std::string text = format("A step: %.3f ms", numberOf(profile, "ms_per_step"));
  if (isOfThreads(profile))
    text += format(" on %.0f thread%s", threads, threads == 1 ? "" : "s");
  if (std::string taken = profile.value("taken", ""); !taken.empty())
    text += ", " + escapeHtml(taken);
  if (!profile.contains("time") || !profile["time"].is_object())
    return "<p class=note>" + text + ".</p>\n";
  struct Part {
    const char *key, *name, *what;
  };
  std::string rows = htmlCells({{"part of a step"}, {"ms"}, {"share of time"}, {"", true}}, "th");
  for (const Part &part :
       {Part{"compute", "compute", "kernels, spread over all threads"},
        Part{"communication", "communication",
             "sums over ranks that no kernel hides, waiting for other ranks included"},
        Part{"input_wait", "input wait", "batches that were not ready, and copying them"},
        Part{"idle", "idle", "threads without work: waiting for one another, between launches"}}) {
    json value = profile["time"].value(part.key, json());
    bool isKnown = value.is_object();
    double share = numberOf(value, "share");
    rows += htmlCells({{part.name},
                       {isKnown ? format("%.3f", numberOf(value, "ms")) : ""},
                       {isKnown ? percent(share, 1) : "", false, isKnown ? share : -1},
                       {part.what, true}});
  }
  return "<h3>Where the time of a step went</h3>\n" + htmlTable(rows, "first") + "<p class=note>" +
         text + ".</p>\n";
}

} // namespace

std::string layerTable(const fb::Model &model, const fb::Phase &phase, const json &profile) {
  bool isTimed = profile.is_object();
  double sum = isTimed ? sumOfKernels(profile) : 0;
  std::map<std::string, json> times = timesOf(profile);
  std::vector<HtmlCell> head = {{"layer"},  {"structure"}, {"in \u2192 out"},
                                {"params"}, {"MACs"},      {"% of dense"}};
  if (isTimed)
    head.insert(head.end(), {{timeHead(profile)}, {"share of time"}});
  std::string rows = htmlCells(head, "th");
  for (const fb::Layer *layer : *phase.layers()) {
    std::vector<HtmlCell> cells = {
        {layer->name()->str()},
        {layer->structure()->str()},
        {grouped(layer->in_features()) + " \u2192 " + grouped(layer->out_features())},
        {grouped(layer->params())},
        {grouped(layer->macs())},
        {percent(double(layer->macs()), double(layer->dense_macs()))}};
    if (auto found = times.find(layer->name()->str()); found != times.end()) {
      addTime(cells, found->second, sum);
      times.erase(found);
    } else if (isTimed) {
      cells.insert(cells.end(), {{""}, {""}});
    }
    rows += htmlCells(cells);
  }
  // What belongs to no layer: the loss, the update of the weights; in the order of the program.
  if (isTimed)
    for (const json &each : profile.value("by_layer", json::array()))
      if (times.contains(each.value("layer", ""))) {
        std::vector<HtmlCell> cells = {{each.value("layer", "")}, {""}, {""}, {""}, {""}, {""}};
        addTime(cells, each, sum);
        rows += htmlCells(cells);
      }
  std::vector<HtmlCell> total = {{"total"},
                                 {""},
                                 {""},
                                 {grouped(phase.params())},
                                 {grouped(phase.macs())},
                                 {percent(double(phase.macs()), double(model.dense_macs()))}};
  if (isTimed)
    total.insert(total.end(), {{microseconds(sum)}, {""}});
  rows += htmlCells(total, "td", " class=best");
  std::string note =
      isTimed ? std::string("<p class=note>Times of a step, ") +
                    (isOfThreads(profile) ? "of all threads together, " : "") +
                    escapeHtml(profile.value("taken", "")) +
                    "; ~ with shares of kernels that compute several layers, by their "
                    "multiply-accumulates.</p>\n"
              : "<p class=note>Kernels were not timed (profile.timed_steps of the spec, or a run "
                "that ended before).</p>\n";
  return htmlTable(rows, "first second") + note;
}

std::string kernelTable(const json &profile) {
  double sum = sumOfKernels(profile);
  double threads = std::max(1.0, numberOf(profile, "threads"));
  std::string rows = htmlCells({{"kernel"},
                                {"kind"},
                                {"launches"},
                                {timeHead(profile)},
                                {"share of time"},
                                {"GFLOP/s"},
                                {"GB/s"},
                                {"of limit"},
                                {"layers", true},
                                {"lines"}},
                               "th");
  for (const json &kernel : profile.value("kernels", json::array())) {
    double ms = numberOf(kernel, "ms"), limit = numberOf(kernel, "limit_ms");
    auto rate = [&](const char *key) {
      return ms > 0 ? format("%.1f", numberOf(kernel, key) / ms * 1e-6 * threads) : "";
    };
    rows += htmlCells({{kernel.value("kernel", "")},
                       {kernel.value("kind", "")},
                       {grouped(uint64_t(numberOf(kernel, "launches")))},
                       {microseconds(ms)},
                       {percent(ms, sum), false, sum > 0 ? ms / sum : 0},
                       {numberOf(kernel, "flops") > 0 ? rate("flops") : ""},
                       {rate("bytes")},
                       {limit > 0 ? percent(limit, ms) : ""},
                       {layersText(kernel), true},
                       {lineText(numbersOf(kernel.value("lines", json::array())))}});
  }
  const char *whose = isOfThreads(profile) ? "Rates are those of all threads together. " : "";
  return htmlTable(rows, "first second") + "<p class=note>" + whose +
         "What is in cache can be above the limit, which is that of memory.</p>\n" +
         partTable(profile, threads);
}

} // namespace danaus
