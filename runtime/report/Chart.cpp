// Maps data to a 460 x 220 view box with round tick values.
#include "runtime/report/Chart.h"

#include "runtime/base/Status.h"
#include "runtime/report/Page.h"

#include <algorithm>
#include <cmath>

namespace danaus {

namespace {

constexpr double left = 52, right = 448, top = 12, bottom = 188;

/// A step of 1, 2 or 5 times a power of ten that cuts the span into about `parts`.
double niceStep(double span, int parts) {
  double raw = span / parts, power = std::pow(10, std::floor(std::log10(raw)));
  double rest = raw / power;
  return power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
}

struct Axis {
  double low, high;
  ChartScale scale = ChartScale::Linear;

  double mapped(double value) const {
    return scale == ChartScale::Logarithmic ? std::log10(value) : value;
  }
  bool shows(double value) const {
    return std::isfinite(value) && (scale == ChartScale::Linear || value > 0);
  }
  double fraction(double value) const { return (mapped(value) - low) / (high - low); }
};

/// Spans all values, a little more when they are all the same.
Axis axisOver(const std::vector<double> &values, ChartScale scale) {
  Axis axis{0, 1, scale};
  auto [low, high] = std::minmax_element(values.begin(), values.end());
  axis.low = axis.mapped(*low);
  axis.high = axis.mapped(*high);
  // A span at the edge of double's precision would leave no room between ticks.
  double margin = axis.high - axis.low > 1e-9 * std::fabs(axis.high)
                      ? 0.04 * (axis.high - axis.low)
                      : std::max(1e-3, 0.1 * std::fabs(axis.high));
  axis.low -= margin;
  axis.high += margin;
  return axis;
}

std::string ticks(const Axis &x, const Axis &y, bool whole) {
  std::string svg;
  double step = niceStep(y.high - y.low, 4);
  for (double value = std::ceil(y.low / step) * step; value <= y.high; value += step) {
    double place = bottom - (bottom - top) * (value - y.low) / (y.high - y.low);
    double shown = std::fabs(value) < step * 1e-6 ? 0 : value;
    if (y.scale == ChartScale::Logarithmic)
      shown = std::pow(10, value);
    svg += format("<line class=\"grid\" x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\" />"
                  "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>",
                  left, right, place, place, left - 6, place + 4, shown);
  }
  step = std::max(whole ? 1.0 : 0.0, niceStep(x.high - x.low, 6));
  for (double value = std::ceil(x.low / step) * step; value <= x.high; value += step)
    svg += format("<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%g</text>",
                  left + (right - left) * x.fraction(value), bottom + 16, value);
  return svg;
}

std::string line(const ChartSeries &series, size_t index, const Axis &x, const Axis &y) {
  std::string path, dots;
  bool open = false;
  for (auto [at, value] : series.points) {
    if (!x.shows(at) || !y.shows(value)) {
      open = false;
      continue;
    }
    double px = left + (right - left) * x.fraction(at);
    double py = bottom - (bottom - top) * y.fraction(value);
    path += format("%s%.1f %.1f", open ? "L" : "M", px, py);
    dots += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"><title>%s %g: %.6g</title></circle>",
                   px, py, escapeHtml(series.name).c_str(), at, value);
    open = true;
  }
  return format("<g class=\"s%zu\"><path d=\"%s\" />", index, path.c_str()) + dots + "</g>";
}

} // namespace

std::string svgCurves(const std::vector<ChartSeries> &series, ChartScale scale, bool wholeTicks) {
  std::vector<double> xs, ys;
  Axis any{0, 1, scale};
  for (const ChartSeries &one : series)
    for (auto [at, value] : one.points)
      if (any.shows(value)) {
        xs.push_back(at);
        ys.push_back(value);
      }
  if (xs.empty())
    return {};
  Axis x = axisOver(xs, ChartScale::Linear), y = axisOver(ys, scale);
  std::string svg = ticks(x, y, wholeTicks);
  for (size_t index = 0; index < series.size(); ++index)
    svg += line(series[index], index, x, y);
  return svg;
}

} // namespace danaus
