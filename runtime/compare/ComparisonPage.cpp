// The page of a comparison: its table, and accuracy over time.
#include "runtime/compare/Comparison.h"
#include "runtime/report/Chart.h"
#include "runtime/report/Page.h"

#include <algorithm>

namespace danaus {

namespace {

std::string spreadText(const Spread &spread, const char *pattern) {
  auto number = [&](double value) {
    char text[64];
    std::snprintf(text, sizeof(text), pattern, value);
    return std::string(text);
  };
  return number(spread.mean) + (spread.deviation ? " \u00b1 " + number(*spread.deviation) : "");
}

/// The mean over the seeds, epoch by epoch, as far as every run went.
ChartSeries meanCurve(const ComparedModel &model) {
  ChartSeries series{model.name, {}};
  size_t epochs = model.runs.empty() ? 0 : SIZE_MAX;
  for (const ComparedRun &run : model.runs)
    epochs = std::min(epochs, run.accuracyOverTime.size());
  for (size_t epoch = 0; epoch < epochs; ++epoch) {
    double seconds = 0, accuracy = 0;
    for (const ComparedRun &run : model.runs) {
      seconds += run.accuracyOverTime[epoch].first / double(model.runs.size());
      accuracy += run.accuracyOverTime[epoch].second / double(model.runs.size());
    }
    series.points.push_back({seconds, accuracy});
  }
  return series;
}

} // namespace

std::string comparisonPage(const std::vector<ComparedModel> &models) {
  std::vector<ComparisonRow> rows = compareRuns(models);
  std::vector<ChartSeries> curves;
  std::string table = htmlRow({"model", "params", "MACs", "test accuracy", "epoch, s", "speed",
                               "memory", "accuracy against the first", "p"},
                              "th");
  for (size_t i = 0; i < models.size(); ++i) {
    curves.push_back(meanCurve(models[i]));
    const auto &test = rows[i].accuracy;
    table += htmlRow({models[i].name, grouped(models[i].params), grouped(models[i].macs),
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
  return htmlPage("Comparison",
                  "<p>Means and standard deviations over the seeds " + seeds +
                      "; speed is the first model's time for an epoch by this one's; p is of a "
                      "paired t-test.</p>\n<div class=wide><table class=left>\n" +
                      table + "</table></div>\n" +
                      svgChart("Validation accuracy over seconds of training", curves));
}

} // namespace danaus
