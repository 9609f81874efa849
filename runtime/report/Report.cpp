// Puts the page together from tables and charts.
#include "runtime/report/Report.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/report/Chart.h"
#include "runtime/report/Page.h"

namespace danaus {

namespace {

using ull = unsigned long long;

/// 118666 -> "118,666".
std::string percent(uint64_t part, uint64_t whole) {
  return whole ? format("%.1f %%", 100.0 * double(part) / double(whole)) : "";
}

std::string optionalNumber(const char *pattern, const std::optional<double> &value) {
  char text[64] = "";
  if (value)
    std::snprintf(text, sizeof(text), pattern, *value);
  return text;
}

std::string charts(const std::vector<EpochRow> &epochs) {
  ChartSeries train{"train", {}}, validation{"validation", {}}, accuracy{"accuracy", {}},
      rate{"learning rate", {}};
  for (const EpochRow &epoch : epochs) {
    double at = double(epoch.epoch);
    train.points.push_back({at, epoch.trainLoss});
    rate.points.push_back({at, epoch.lr});
    if (epoch.valLoss)
      validation.points.push_back({at, *epoch.valLoss});
    if (epoch.valAccuracy)
      accuracy.points.push_back({at, *epoch.valAccuracy});
  }
  return "<div class=charts>\n" + svgChart("Loss", {train, validation}) +
         svgChart("Validation accuracy", {accuracy}) +
         svgChart("Learning rate", {rate}, ChartScale::Logarithmic) + "</div>\n";
}

std::string epochTable(const ReportContent &content) {
  std::string html =
      "<h2>Epochs</h2>\n<div class=wide><table>\n" +
      htmlRow({"epoch", "train loss", "val loss", "val acc", "lr", "time", "images/s"}, "th");
  for (const EpochRow &epoch : content.epochs)
    html +=
        htmlRow({std::to_string(epoch.epoch), format("%.4f", epoch.trainLoss),
                 optionalNumber("%.4f", epoch.valLoss), optionalNumber("%.4f", epoch.valAccuracy),
                 format("%.3g", epoch.lr), format("%.2f s", epoch.seconds),
                 epoch.imagesPerSecond > 0 && epoch.imagesPerSecond < 1e15
                     ? grouped(uint64_t(epoch.imagesPerSecond))
                     : ""},
                "td", epoch.epoch == content.summary.bestEpoch ? " class=best" : "");
  return html + "</table></div>\n";
}

std::string layerTable(const ReportContent &content) {
  std::string html =
      "<h2>Layers</h2>\n<div class=wide><table class=left>\n" +
      htmlRow({"layer", "structure", "in \u2192 out", "params", "MACs", "% of dense"}, "th");
  for (const ReportLayer &layer : content.layers)
    html +=
        htmlRow({layer.name, layer.structure, grouped(layer.in) + " \u2192 " + grouped(layer.out),
                 grouped(layer.params), grouped(layer.macs), percent(layer.macs, layer.denseMacs)},
                "td");
  const RunSummary &total = content.summary;
  html += htmlRow({"total", "", "", grouped(total.params), grouped(total.macs),
                   percent(total.macs, total.denseMacs)},
                  "td", " class=best");
  return html + "</table></div>\n";
}

std::string phaseTable(const ReportContent &content) {
  if (content.phases.size() < 2)
    return "";
  std::string html =
      "<h2>Phases</h2>\n<div class=wide><table>\n" +
      htmlRow({"phase", "epochs", "params", "MACs", "lr scale", "optimizer state"}, "th");
  uint64_t first = 1;
  for (size_t i = 0; i < content.phases.size(); ++i) {
    const ReportPhase &phase = content.phases[i];
    html += htmlRow({std::to_string(i + 1),
                     format("%llu to %llu", ull(first), ull(first + phase.epochs - 1)),
                     grouped(phase.params), grouped(phase.macs), format("%g", phase.lrScale),
                     i == 0                ? ""
                     : phase.projectsState ? "projected"
                                           : "reset"},
                    "td");
    first += phase.epochs;
  }
  return html + "</table></div>\n";
}

std::string headline(const RunSummary &summary) {
  std::string text = grouped(summary.params) + " parameters (" +
                     percent(summary.params, summary.denseParams) + " of dense), " +
                     std::to_string(summary.epochs) + " epochs, " + grouped(summary.steps) +
                     " steps, " + format("%.1f s", summary.seconds) + " on " + summary.device;
  if (summary.bestValAccuracy)
    text += format("; best on validation %.4f (epoch %llu)", *summary.bestValAccuracy,
                   ull(summary.bestEpoch));
  if (summary.testAccuracy)
    text += format("; test accuracy %.4f", *summary.testAccuracy);
  return "<p>" + escapeHtml(text) + "</p>\n";
}

} // namespace

std::string renderReport(const ReportContent &content) {
  std::string html = headline(content.summary) + charts(content.epochs) + epochTable(content) +
                     phaseTable(content) + layerTable(content) +
                     "<h2>Environment</h2>\n<table class=left>\n";
  for (const auto &[key, value] : content.environment)
    html += htmlRow({key, value}, "td");
  return htmlPage(content.summary.model,
                  html + "</table>\n<h2>Spec</h2>\n<pre>" + escapeHtml(content.spec) + "</pre>\n");
}

Status writeReport(const RunFolder &run, const ReportContent &content) {
  return writeFileAtomically(run.file("report.html"), renderReport(content));
}

} // namespace danaus
