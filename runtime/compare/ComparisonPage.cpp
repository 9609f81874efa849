// The page of a comparison: its table, and accuracy over time.
#include "runtime/compare/Comparison.h"
#include "runtime/report/CurveData.h"
#include "runtime/report/Page.h"

#include <algorithm>

namespace danaus {

namespace {

using nlohmann::ordered_json;

std::string spreadText(const Spread &spread, const char *pattern) {
  auto number = [&](double value) {
    char text[64];
    std::snprintf(text, sizeof(text), pattern, value);
    return std::string(text);
  };
  return number(spread.mean) + (spread.deviation ? " \u00b1 " + number(*spread.deviation) : "");
}

/// The mean over the seeds, epoch by epoch, as far as every run went.
ordered_json meanCurve(const ComparedModel &model) {
  ordered_json points = ordered_json::array();
  size_t epochs = model.runs.empty() ? 0 : SIZE_MAX;
  for (const ComparedRun &run : model.runs)
    epochs = std::min(epochs, run.accuracyOverTime.size());
  for (size_t epoch = 0; epoch < epochs; ++epoch) {
    double seconds = 0, accuracy = 0;
    for (const ComparedRun &run : model.runs) {
      seconds += run.accuracyOverTime[epoch].first / double(model.runs.size());
      accuracy += run.accuracyOverTime[epoch].second / double(model.runs.size());
    }
    points.push_back({seconds, accuracy});
  }
  return {{"name", model.name}, {"points", points}};
}

} // namespace

std::string comparisonPage(const std::vector<ComparedModel> &models) {
  std::vector<ComparisonRow> rows = compareRuns(models);
  ordered_json curves = ordered_json::array(), charts = ordered_json::array();
  std::string table = htmlRow({"model", "params", "MACs", "test accuracy", "epoch, s", "speed",
                               "memory", "accuracy against the first", "p"},
                              "th");
  for (size_t i = 0; i < models.size(); ++i) {
    if (ordered_json curve = meanCurve(models[i]); !curve["points"].empty())
      curves.push_back(curve);
    const auto &test = rows[i].accuracy;
    table += htmlRow({models[i].name, grouped(rows[i].params), grouped(rows[i].macs),
                      spreadText(rows[i].testAccuracy, "%.4f"),
                      spreadText(rows[i].epochSeconds, "%.3f"), spreadText(rows[i].speed, "%.2f"),
                      rows[i].peakBytes ? formatMebibytes(rows[i].peakBytes) : "",
                      test ? format("%+.4f", test->difference.mean) : "",
                      test ? format("%.3f", test->p) : ""},
                     "td");
  }
  std::string seeds;
  for (const ComparedRun &run : models.front().runs)
    seeds += (seeds.empty() ? "" : ", ") + std::to_string(run.seed);
  std::string html = "<p>Means and standard deviations over the seeds " + seeds +
                     "; speed is the first model's time for an epoch by this one's; p is of a "
                     "paired t-test.</p>\n" +
                     htmlTable(table, "first");
  if (!curves.empty()) {
    charts.push_back({{"id", "accuracy"},
                      {"title", "Validation accuracy"},
                      {"x", "seconds"},
                      {"log", false},
                      {"bars", false},
                      {"series", curves},
                      {"borders", ordered_json::array()}});
    html += "<h2>Validation accuracy over seconds of training</h2>\n<div class=\"plot large\">"
            "<canvas id=accuracy role=img aria-label=\"Validation accuracy over seconds; the runs' "
            "metrics.jsonl have the numbers\"></canvas></div>\n";
  }
  ordered_json data = {{"curves", charts}, {"rooflines", ordered_json::array()}};
  return htmlPage("Comparison", html, jsonForScript(data));
}

} // namespace danaus
