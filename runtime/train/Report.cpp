// Puts the page together from tables and charts.
#include "runtime/train/Report.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/train/Chart.h"

namespace danaus {

namespace {

using ull = unsigned long long;
using Cells = std::vector<std::string>;

constexpr const char *pageHead = R"(<meta name=viewport content="width=device-width">
<style>
:root { color-scheme: light dark; --ink: #1d2330; --dim: #667085; --paper: #fff; --line: #e3e6ec;
  --s0: #2563c9; --s1: #d9480f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #98a2b3; --paper: #14171d;
  --line: #2b303a; --s0: #6ea8fe; --s1: #ff9d5c; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; } svg { width: 100%; }
svg text { font-size: 11px; fill: var(--dim); } .grid { stroke: var(--line); }
path { fill: none; stroke-width: 1.8; } .s0 path { stroke: var(--s0); } .s1 path { stroke: var(--s1); }
.s0 circle { fill: var(--s0); } .s1 circle { fill: var(--s1); }
span.s0 { color: var(--s0); } span.s1 { color: var(--s1); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; } th { color: var(--dim); font-weight: 500; }
.left td:first-child, .left th:first-child, .left td:nth-child(2), .left th:nth-child(2) {
  text-align: left; } tr.best td { font-weight: 700; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .8rem; font-size: 13px; }
</style>
)";

/// 118666 -> "118,666".
std::string grouped(uint64_t value) {
  std::string text = std::to_string(value);
  for (size_t place = text.size(); place > 3;)
    text.insert(place -= 3, ",");
  return text;
}

std::string percent(uint64_t part, uint64_t whole) {
  return whole ? format("%.1f %%", 100.0 * double(part) / double(whole)) : "";
}

std::string optionalNumber(const char *pattern, const std::optional<double> &value) {
  char text[64] = "";
  if (value)
    std::snprintf(text, sizeof(text), pattern, *value);
  return text;
}

std::string row(const Cells &cells, const char *tag, const char *attributes = "") {
  std::string html = std::string("<tr") + attributes + ">";
  for (const std::string &cell : cells)
    html += std::string("<") + tag + ">" + escapeHtml(cell) + "</" + tag + ">";
  return html + "</tr>\n";
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
      row({"epoch", "train loss", "val loss", "val acc", "lr", "time", "images/s"}, "th");
  for (const EpochRow &epoch : content.epochs)
    html += row({std::to_string(epoch.epoch), format("%.4f", epoch.trainLoss),
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
      row({"layer", "structure", "in \u2192 out", "params", "MACs", "% of dense"}, "th");
  for (const ReportLayer &layer : content.layers)
    html += row({layer.name, layer.structure, grouped(layer.in) + " \u2192 " + grouped(layer.out),
                 grouped(layer.params), grouped(layer.macs), percent(layer.macs, layer.denseMacs)},
                "td");
  const RunSummary &total = content.summary;
  html += row({"total", "", "", grouped(total.params), grouped(total.macs),
               percent(total.macs, total.denseMacs)},
              "td", " class=best");
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
  std::string title = escapeHtml(content.summary.model);
  std::string html = "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>" + title +
                     "</title>\n" + pageHead + "<h1>" + title + "</h1>\n" +
                     headline(content.summary) + charts(content.epochs) + epochTable(content) +
                     layerTable(content) + "<h2>Environment</h2>\n<table class=left>\n";
  for (const auto &[key, value] : content.environment)
    html += row({key, value}, "td");
  return html + "</table>\n<h2>Spec</h2>\n<pre>" + escapeHtml(content.spec) + "</pre>\n</html>\n";
}

Status writeReport(const RunFolder &run, const ReportContent &content) {
  return writeFileAtomically(run.file("report.html"), renderReport(content));
}

} // namespace danaus
