// Curves as SVG: data that have no span, no finite value or gaps.
#include "runtime/report/Chart.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace danaus;

namespace {

TEST(Chart, DegenerateDataDraw) {
  EXPECT_EQ(svgCurves({{"a", {}}}, ChartScale::Linear), "");
  EXPECT_EQ(svgCurves({{"a", {{1, NAN}}}}, ChartScale::Linear), "");
  EXPECT_EQ(svgCurves({{"a", {{1, 0}}}}, ChartScale::Logarithmic), "");
  double next = std::nextafter(1e6, 2e6);
  for (const ChartSeries &series :
       {ChartSeries{"one", {{1, 5}}}, ChartSeries{"same", {{1, 5}, {2, 5}}},
        ChartSeries{"zero", {{1, 0}, {2, 0}}}, ChartSeries{"close", {{1, 1e6}, {2, next}}},
        ChartSeries{"wide", {{1, -1e300}, {2, 1e300}}},
        ChartSeries{"gap", {{1, 1}, {2, NAN}, {3, 2}}}}) {
    std::string svg = svgCurves({series}, ChartScale::Linear);
    EXPECT_NE(svg.find("<circle"), std::string::npos) << series.name;
    EXPECT_EQ(svg.find("nan"), std::string::npos) << series.name;
    EXPECT_EQ(svg.find("inf"), std::string::npos) << series.name;
  }
}

} // namespace
