// What pages are made of and the program carries: style, script and the chart library, each the
// text of a file that the build reads.
#pragma once

#include <string_view>

namespace danaus {

std::string_view pageStyle();
std::string_view reportScript();
/// Chart.js as Debian packages it (libjs-chart.js), with its licence in the first lines.
std::string_view chartLibrary();

} // namespace danaus
