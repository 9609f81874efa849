// See CurveData.h.
#include "runtime/report/CurveData.h"

#include "runtime/report/Sections.h"

#include <algorithm>
#include <cmath>

namespace danaus {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

enum class Rows { Epochs, Steps };

bool isOf(const json &row, Rows rows) { return row.contains("epoch") == (rows == Rows::Epochs); }

/// A value that is not finite breaks the line: null.
ordered_json pointOf(double x, double y) {
  return {x, std::isfinite(y) ? ordered_json(y) : ordered_json()};
}

ordered_json seriesOf(const RunFiles &run, Rows rows, const char *metric, const std::string &name) {
  ordered_json points = ordered_json::array();
  for (const json &row : run.metrics)
    if (auto value = isOf(row, rows) ? metricOf(row, metric) : std::nullopt)
      points.push_back(
          pointOf(metricOf(row, rows == Rows::Epochs ? "epoch" : "step").value_or(0), *value));
  return {{"name", name}, {"points", points}};
}

/// Means of equally many neighbours, so that at most `most` points are left.
void thin(ordered_json &series, size_t most) {
  const ordered_json points = std::move(series["points"]);
  size_t group = (points.size() + most - 1) / most;
  ordered_json means = ordered_json::array();
  for (size_t begin = 0; begin < points.size(); begin += group) {
    size_t end = std::min(begin + group, points.size()), count = 0;
    double sum = 0;
    for (size_t i = begin; i < end; ++i)
      if (points[i][1].is_number()) {
        sum += points[i][1].get<double>();
        ++count;
      }
    means.push_back(pointOf(points[end - 1][0].get<double>(), count ? sum / double(count) : NAN));
  }
  if (group > 1)
    series["name"] =
        series["name"].get<std::string>() + ", means of " + std::to_string(group) + " steps";
  series["points"] = std::move(means);
}

bool hasValue(const ordered_json &series) {
  for (const auto &point : series["points"])
    if (point[1].is_number())
      return true;
  return false;
}

/// Whether the values span so much that a linear axis hides the small ones.
bool isWide(const std::vector<ordered_json> &series) {
  constexpr double much = 30;
  double least = INFINITY, most = 0;
  for (const ordered_json &one : series)
    for (const auto &point : one["points"])
      if (point[1].is_number() && point[1].get<double>() > 0) {
        least = std::min(least, point[1].get<double>());
        most = std::max(most, point[1].get<double>());
      }
  return most > much * least;
}

/// Epochs after which a phase begins.
ordered_json bordersOf(const RunFiles &run) {
  ordered_json borders = ordered_json::array();
  for (const auto &[phase, border] : run.borders)
    if (border.contains("epoch") && border["epoch"].is_number())
      borders.push_back(border["epoch"].get<double>() + 0.5);
  return borders;
}

} // namespace

ordered_json curveCharts(const RunFiles &run, size_t most) {
  struct Chart {
    const char *id, *title, *x;
    std::vector<ordered_json> series;
    bool isLogarithmic = false, isBars = false;
  };
  auto epochs = [&](const char *metric, const char *name) {
    return seriesOf(run, Rows::Epochs, metric, name);
  };
  auto steps = [&](const char *metric, const char *name) {
    ordered_json series = seriesOf(run, Rows::Steps, metric, name);
    thin(series, most);
    return series;
  };
  std::vector<Chart> charts = {
      {"loss",
       "Loss",
       "epoch",
       {epochs("train_loss", "training"), epochs("val_loss", "validation")}},
      {"accuracy", "Validation accuracy", "epoch", {epochs("val_accuracy", "accuracy")}},
      {"lr", "Learning rate", "epoch", {epochs("lr", "learning rate")}, true},
      {"seconds", "Time of an epoch, s", "epoch", {epochs("seconds", "seconds")}, false, true},
      {"step-loss", "Loss of steps", "step", {steps("loss", "loss")}},
      {"grad-norm", "Gradient norm", "step", {steps("grad_norm", "norm")}, true},
      {"epoch-grad-norm",
       "Gradient norm of an epoch's last step",
       "epoch",
       {epochs("grad_norm", "norm")},
       true},
      {"loss-scale", "Loss scale of float16", "step", {steps("loss_scale", "scale")}, true}};
  ordered_json all = ordered_json::array();
  bool hasNormsOfSteps = false;
  for (Chart &chart : charts) {
    std::erase_if(chart.series, [](const ordered_json &series) { return !hasValue(series); });
    bool isRepeated = hasNormsOfSteps && chart.id == std::string_view("epoch-grad-norm");
    if (chart.series.empty() || isRepeated)
      continue;
    hasNormsOfSteps |= chart.id == std::string_view("grad-norm");
    bool isOfEpochs = chart.x == std::string_view("epoch");
    all.push_back({{"id", chart.id},
                   {"title", chart.title},
                   {"x", chart.x},
                   {"log", chart.isLogarithmic && isWide(chart.series)},
                   {"bars", chart.isBars},
                   {"series", chart.series},
                   {"borders", isOfEpochs ? bordersOf(run) : ordered_json::array()}});
  }
  return all;
}

/// One for each kind of products that occurs, under the bandwidth of memory, and the highest again
/// under that of the second-level cache.
static ordered_json roofsOf(const json &profile) {
  ordered_json roofs = ordered_json::array();
  if (!profile.contains("limit"))
    return roofs;
  const json &limit = profile["limit"];
  // Profiles of before there were kinds know float32 alone.
  json kinds = limit.value("of_products", json::array({{{"name", "float32"}}}));
  for (const json &kind : kinds)
    roofs.push_back({{"name", kind.value("name", "")},
                     {"flops", kind.value("flops", numberOf(limit, "flops"))},
                     {"bytes_per_second", numberOf(limit, "bytes_per_second")}});
  if (double cache = numberOf(limit, "cache_bytes_per_second"); cache > 0 && !roofs.empty()) {
    ordered_json highest = *std::ranges::max_element(
        roofs, {}, [](const ordered_json &roof) { return roof["flops"].get<double>(); });
    roofs.push_back(
        {{"name", "second-level cache"}, {"flops", highest["flops"]}, {"bytes_per_second", cache}});
  }
  return roofs;
}

ordered_json rooflineChart(const json &profile, const std::string &id) {
  auto number = [](const json &object, const char *key) {
    return metricOf(object, key).value_or(0);
  };
  double threads = std::max(1.0, number(profile, "threads"));
  ordered_json kernels = ordered_json::array();
  for (const json &kernel : profile.value("kernels", json::array())) {
    double flops = number(kernel, "flops"), bytes = number(kernel, "bytes");
    double seconds = 1e-3 * number(kernel, "ms") / threads;
    if (!(flops > 0 && bytes > 0 && seconds > 0))
      continue;
    std::string layers;
    for (const json &label : kernel.value("layers", json::array()))
      layers += (layers.empty() ? "" : "; ") + label.get<std::string>();
    kernels.push_back({{"name", kernel.value("kernel", "")},
                       {"layers", layers},
                       {"x", flops / bytes},
                       {"y", 1e-9 * flops / seconds}});
  }
  if (kernels.empty())
    return {};
  return {{"id", id}, {"title", "Roofline"}, {"kernels", kernels}, {"roofs", roofsOf(profile)}};
}

std::string jsonForScript(const ordered_json &json) {
  std::string text = json.dump(-1, ' ', false, ordered_json::error_handler_t::replace), safe;
  for (char character : text)
    safe += character == '<' ? std::string("\\u003c") : std::string(1, character);
  return safe;
}

} // namespace danaus
