// What a run did, in numbers.
#include "runtime/report/Page.h"
#include "runtime/report/Sections.h"

#include <cmath>

namespace danaus {

namespace {

using nlohmann::json;

/// Nothing where there is no such value, or it was not finite.
std::string textOf(const json &row, const char *key, const char *pattern) {
  auto value = metricOf(row, key);
  char text[64] = "";
  if (value && std::isfinite(*value))
    std::snprintf(text, sizeof(text), pattern, *value);
  return text;
}

std::string countOf(const json &row, const char *key) {
  auto value = metricOf(row, key);
  return value && *value >= 0 && *value < 1e18 ? grouped(uint64_t(*value)) : "";
}

std::string percent(double part, double whole) {
  return whole > 0 ? format("%.1f %%", 100 * part / whole) : "";
}

std::string tile(const std::string &value, const std::string &what) {
  return value.empty() ? ""
                       : "<div><b>" + escapeHtml(value) + "</b><small>" + escapeHtml(what) +
                             "</small></div>\n";
}

std::string durationText(double seconds) {
  if (seconds < 1)
    return format("%.2f s", seconds);
  if (seconds < 120)
    return format("%.1f s", seconds);
  if (seconds < 7200)
    return format("%.1f min", seconds / 60);
  return format("%.1f h", seconds / 3600);
}

} // namespace

double numberOf(const json &object, const char *key) {
  double value = object.is_object() ? metricOf(object, key).value_or(0) : 0;
  return std::isfinite(value) ? value : 0;
}

std::string byteText(uint64_t bytes) {
  const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit)
    value /= 1024;
  return format(unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

std::string headline(const RunFiles &run) {
  const json &summary = run.summary;
  const fb::Model &model = run.model->model();
  const fb::Phase &last = *model.phases()->Get(model.phases()->size() - 1);
  double seconds = 0;
  json epoch;
  for (const json &row : run.metrics)
    if (row.contains("epoch")) {
      epoch = row;
      seconds += numberOf(row, "seconds");
    }
  std::string tiles, state;
  if (summary.is_object()) {
    tiles += tile(textOf(summary, "test_accuracy", "%.4f"), "test accuracy");
    tiles += tile(textOf(summary, "best_val_accuracy", "%.4f"),
                  "best on validation, epoch " + countOf(summary, "best_epoch"));
    seconds = numberOf(summary, "seconds");
  } else if (!run.metrics.empty()) {
    state = "<p class=dim>Not finished: stopped, or still training.</p>\n";
    tiles += tile(textOf(epoch, "val_accuracy", "%.4f"), "last on validation");
  }
  tiles += tile(grouped(last.params()),
                "parameters, " + percent(double(last.params()), double(model.dense_params())) +
                    " of dense");
  tiles += tile(grouped(last.macs()), "MACs of a sample, " +
                                          percent(double(last.macs()), double(model.dense_macs())) +
                                          " of dense");
  if (!epoch.is_null()) {
    tiles += tile(durationText(seconds), "training, " + countOf(epoch, "epoch") + " epochs, " +
                                             countOf(epoch, "step") + " steps");
    tiles += tile(countOf(epoch, "images_per_s"), "images a second, last epoch");
  }
  if (double peak = numberOf(summary, "peak_bytes"); peak > 0)
    tiles += tile(byteText(uint64_t(peak)), "peak memory of the process");
  return state + "<div class=tiles>\n" + tiles + "</div>\n";
}

std::string epochTable(const RunFiles &run) {
  std::string rows;
  double best = numberOf(run.summary, "best_epoch");
  for (const json &row : run.metrics)
    if (row.contains("epoch"))
      rows += htmlRow({countOf(row, "epoch"), textOf(row, "train_loss", "%.4f"),
                       textOf(row, "val_loss", "%.4f"), textOf(row, "val_accuracy", "%.4f"),
                       textOf(row, "lr", "%.3g"), textOf(row, "grad_norm", "%.3g"),
                       textOf(row, "seconds", "%.2f s"), countOf(row, "images_per_s")},
                      "td", numberOf(row, "epoch") == best ? " class=best" : "");
  if (rows.empty())
    return "";
  return "<h2 id=epochs>Epochs</h2>\n" +
         htmlTable(htmlRow({"epoch", "train loss", "val loss", "val acc", "lr", "grad norm", "time",
                            "images/s"},
                           "th") +
                   rows);
}

std::string phaseList(const RunFiles &run) {
  const auto &phases = *run.model->model().phases();
  if (phases.size() < 2)
    return "";
  std::string rows;
  unsigned long long first = 1;
  for (unsigned i = 0; i < phases.size(); ++i) {
    const fb::Phase &phase = *phases.Get(i);
    auto found = run.borders.find(i + 1);
    json border = found == run.borders.end() ? json::object() : found->second;
    double error = 0;
    for (const json &layer : border.value("layers", json::array()))
      error = std::max(error, numberOf(layer, "relative_error"));
    rows +=
        htmlRow({std::to_string(i + 1), format("%llu to %llu", first, first + phase.epochs() - 1),
                 grouped(phase.params()), grouped(phase.macs()), format("%g", phase.lr_scale()),
                 i == 0                   ? ""
                 : phase.projects_state() ? "projected"
                                          : "reset",
                 textOf(border, "loss_before", "%.4f"), textOf(border, "loss_after", "%.4f"),
                 border.empty() ? "" : format("%.3g", error)},
                "td");
    first += phase.epochs();
  }
  return "<h2 id=phases>Phases</h2>\n" +
         htmlTable(htmlRow({"phase", "epochs", "params", "MACs", "lr scale", "optimizer state",
                            "loss before", "loss after", "largest error"},
                           "th") +
                   rows) +
         "<p class=note>Loss of one batch before and after the weights took the new structure; the "
         "largest relative error of a converted weight.</p>\n";
}

std::string environmentTable(const RunFiles &run) {
  std::string rows;
  for (const auto &[key, value] : run.environment)
    rows += htmlCells({{key}, {value, true}});
  return rows.empty() ? "" : "<h2 id=environment>Environment</h2>\n" + htmlTable(rows, "first");
}

} // namespace danaus
