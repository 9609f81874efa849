// See ChartFile.h.
#include "runtime/report/ChartFile.h"

#include "runtime/base/Status.h"
#include "runtime/report/Page.h"

namespace danaus {

namespace {

constexpr const char *lightColors[] = {"#2563c9", "#d9480f", "#2b8a3e",
                                       "#862e9c", "#b08900", "#0b7285"};
constexpr const char *darkColors[] = {"#6ea8fe", "#ff9d5c", "#69db7c",
                                      "#da77f2", "#ffd43b", "#3bc9db"};
constexpr size_t colors = std::size(lightColors);
constexpr double titleHeight = 26, curvesHeight = 210, axisHeight = 20, legendHeight = 16;

std::string colorRules(size_t series, const char *const *palette) {
  std::string css;
  for (size_t index = 0; index < series; ++index) {
    const char *color = palette[index % colors];
    css += format(".s%zu path{stroke:%s}.s%zu circle{fill:%s}", index, color, index, color);
  }
  return css;
}

std::string styleOf(size_t series) {
  std::string css = "text{font:11px system-ui,sans-serif;fill:#667085}.title{font-size:13px;"
                    "font-weight:600;fill:#1d2330}.paper{fill:#fff}.grid{stroke:#e3e6ec}"
                    "path{fill:none;stroke-width:1.8}" +
                    colorRules(series, lightColors);
  for (size_t index = colors; index < series; ++index)
    css += format(".s%zu path{stroke-dasharray:%zu 3}", index, 2 + 3 * (index / colors));
  return css +
         "@media(prefers-color-scheme:dark){text{fill:#98a2b3}.title{fill:#e6e9ef}"
         ".paper{fill:#14171d}.grid{stroke:#2b303a}" +
         colorRules(series, darkColors) + "}";
}

std::string legendEntry(const std::string &name, size_t index) {
  double y = titleHeight + curvesHeight + axisHeight + legendHeight * double(index);
  return format("<g class=\"s%zu\"><path d=\"M52 %gL76 %g\" /></g><text x=\"82\" y=\"%g\">", index,
                y - 4, y - 4, y) +
         escapeHtml(name) + "</text>\n";
}

} // namespace

std::string svgFile(const ChartFile &chart) {
  std::string curves = svgCurves(chart.series, chart.scale, chart.wholeTicks);
  if (curves.empty())
    return {};
  size_t series = chart.series.size();
  double height = titleHeight + curvesHeight + axisHeight + legendHeight * double(series);
  std::string svg = format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 460 %g\" "
                           "width=\"920\" height=\"%g\" role=\"img\">\n<style>",
                           height, 2 * height);
  svg += styleOf(series) + "</style>\n";
  svg += format("<rect class=\"paper\" width=\"460\" height=\"%g\" />\n", height);
  svg += "<text class=\"title\" x=\"52\" y=\"18\">" + escapeHtml(chart.title) + "</text>\n";
  svg += format("<g transform=\"translate(0 %g)\">", titleHeight) + curves;
  svg +=
      "<text x=\"448\" y=\"218\" text-anchor=\"end\">" + escapeHtml(chart.xName) + "</text></g>\n";
  for (size_t index = 0; index < series; ++index)
    svg += legendEntry(chart.series[index].name, index);
  return svg + "</svg>\n";
}

} // namespace danaus
