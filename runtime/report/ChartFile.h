// A chart as an SVG file of its own: axes, legend and colours for light and dark in one XML
// document.
#pragma once

#include "runtime/report/Chart.h"

namespace danaus {

struct ChartFile {
  std::string title, xName;
  std::vector<ChartSeries> series; ///< any number: after six the colours come again, dashed
  ChartScale scale = ChartScale::Linear;
  bool wholeTicks = true;
};

/// Empty text when there is nothing to draw.
std::string svgFile(const ChartFile &chart);

} // namespace danaus
