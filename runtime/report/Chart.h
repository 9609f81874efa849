// Curves as SVG, coloured by CSS classes s0, s1, ... of the document that they are in.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace danaus {

struct ChartSeries {
  std::string name;
  /// x ascending; points that are not finite are left out and break the line.
  std::vector<std::pair<double, double>> points;
};

enum class ChartScale { Linear, Logarithmic };

/// Ticks and curves only, as XML elements in a view box of 460 x 210; empty when there is nothing
/// to draw. `wholeTicks`: x is a count.
std::string svgCurves(const std::vector<ChartSeries> &series, ChartScale scale,
                      bool wholeTicks = true);

} // namespace danaus
