// danaus plot: curves of runs from their metrics.jsonl.
#include "runtime/base/AtomicFile.h"
#include "runtime/report/ChartFile.h"
#include "runtime/report/MetricsRows.h"
#include "tools/danaus/command/CommandLine.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <set>

namespace danaus::tool {

namespace {

struct PlotArguments {
  std::vector<std::string> runs;
  std::string metrics, x, output;
  uint64_t smooth = 1;
  bool logarithmic = false, force = false;
};

Expected<CommandLine::Outcome> parse(const Arguments &words, PlotArguments &into) {
  CommandLine line(
      "plot",
      "Draws curves of one or more runs as one SVG file, from what they wrote to\n"
      "metrics.jsonl, also while they train. An epoch has train_loss, val_loss,\n"
      "val_accuracy, lr, grad_norm (of its last step), seconds and images_per_s; a step\n"
      "(train --log-every) has loss, grad_norm and, in float16, loss_scale.",
      {"danaus plot runs/mnist_mlp -o loss.svg",
       "danaus plot runs/a runs/b --metric val_accuracy --x seconds -o both.svg",
       "danaus plot runs/a --metric loss --smooth 20 --log -o steps.svg"});
  line.rest(into.runs, "RUN", "folders of runs");
  line.option(into.output, "-o,--output", "FILE", "the .svg file to write [standard output]");
  line.option(into.metrics, "--metric", "NAME,...", "what to draw [train_loss,val_loss]");
  line.choice(into.x, "--x", {"epoch", "step", "seconds"},
              "over what; seconds: training and validation [epoch; step for metrics of steps]");
  line.option(into.smooth, "--smooth", "draw the mean of the last N points [1]");
  line.flag(into.logarithmic, "--log", "a logarithmic axis of values");
  line.flag(into.force, "--force", "overwrite FILE");
  return line.parse(words);
}

Error noMetric(const std::string &name, const std::string &run, const MetricsRows &rows) {
  std::set<std::string> known;
  for (const nlohmann::json &row : rows)
    for (const auto &[key, value] : row.items())
      if (key != "epoch" && key != "step")
        known.insert(key);
  std::string list;
  for (const std::string &each : known)
    list += (list.empty() ? "" : ", ") + each;
  return Error(ExitCode::Usage, "'" + run + "' has no metric '" + name + "'; it has " +
                                    (list.empty() ? "none yet" : list));
}

bool hasMetric(const MetricsRows &rows, const std::string &name) {
  return std::ranges::any_of(rows, [&](const auto &row) { return row.contains(name); });
}

/// Non-finite values break the line and are no part of a mean.
void smooth(ChartSeries &series, uint64_t window) {
  std::deque<double> last;
  for (auto &[at, value] : series.points) {
    if (!std::isfinite(value))
      continue;
    last.push_back(value);
    if (last.size() > window)
      last.pop_front();
    double sum = 0;
    for (double each : last)
      sum += each;
    value = sum / double(last.size());
  }
}

/// `x` is empty until the first row that has the metric decides.
Expected<ChartSeries> curve(const std::string &run, const MetricsRows &rows,
                            const std::string &metric, std::string &x) {
  ChartSeries series;
  double seconds = 0;
  for (const nlohmann::json &row : rows) {
    if (row.contains("epoch"))
      seconds += metricOf(row, "seconds").value_or(0);
    std::optional<double> value = metricOf(row, metric);
    if (!value)
      continue;
    if (x.empty())
      x = row.contains("epoch") ? "epoch" : "step";
    bool hasX = x == "seconds" ? row.contains("epoch") : row.contains(x);
    if (!hasX)
      return Error(ExitCode::Usage, "'" + metric + "' of '" + run +
                                        "' is a metric of steps, which" + " know no " + x +
                                        ": use --x step");
    series.points.emplace_back(x == "seconds" ? seconds : metricOf(row, x).value_or(0), *value);
  }
  if (series.points.empty())
    return noMetric(metric, run, rows);
  return series;
}

std::vector<std::string> splitAtCommas(const std::string &text) {
  std::vector<std::string> parts;
  for (size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find(',', begin);
    parts.push_back(text.substr(begin, end - begin));
  }
  return parts;
}

Expected<ChartFile> draw(const PlotArguments &arguments) {
  // Runs without validation images have no val_loss; asked for by name it is missed, by default
  // not.
  bool isDefault = arguments.metrics.empty();
  std::string names = isDefault ? "train_loss,val_loss" : arguments.metrics;
  ChartFile chart;
  chart.title = names;
  chart.xName = arguments.x;
  chart.scale = arguments.logarithmic ? ChartScale::Logarithmic : ChartScale::Linear;
  std::vector<std::string> metrics = splitAtCommas(names);
  for (const std::string &run : arguments.runs) {
    Expected<MetricsRows> rows = readMetricsRows(run);
    if (!rows)
      return rows.takeError();
    for (const std::string &metric : metrics) {
      if (isDefault && metric == "val_loss" && !hasMetric(*rows, metric))
        continue;
      auto series = curve(run, *rows, metric, chart.xName);
      if (!series)
        return series.takeError();
      smooth(*series, arguments.smooth);
      series->name = metrics.size() > 1 ? run + ": " + metric : run;
      chart.series.push_back(std::move(*series));
    }
  }
  chart.wholeTicks = chart.xName != "seconds";
  return chart;
}

} // namespace

Status runPlot(const Arguments &words) {
  PlotArguments arguments;
  auto outcome = parse(words, arguments);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  if (arguments.runs.empty())
    return Error(ExitCode::Usage, "plot: RUN is required: the folder of a run");
  if (arguments.smooth == 0)
    return Error(ExitCode::Usage, "plot: --smooth 0 has no points to take a mean of: from 1");
  if (Status status =
          checkOutput(arguments.output, arguments.force ? Existing::Overwrite : Existing::Keep);
      !status)
    return status;
  Expected<ChartFile> chart = draw(arguments);
  if (!chart)
    return chart.takeError();
  std::string svg = svgFile(*chart);
  if (svg.empty())
    return Error(ExitCode::Usage, "plot: '" + chart->title + "' has no finite" +
                                      (arguments.logarithmic ? ", positive" : "") +
                                      " value to draw");
  if (!arguments.output.empty())
    return writeFileAtomically(arguments.output, svg);
  std::fputs(svg.c_str(), stdout);
  return Status::ok();
}

} // namespace danaus::tool
