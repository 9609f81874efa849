// The assembler reads the files: DANAUS_ASSETS and DANAUS_CHART_JS name them (CMakeLists.txt).
#include "runtime/report/Assets.h"

#define ASSET(name, path)                                                                          \
  asm(".section .rodata." #name ",\"a\"\n" #name "Begin: .incbin \"" path "\"\n" #name             \
      "End:\n.previous\n");                                                                        \
  extern "C" __attribute__((visibility("hidden"))) const char name##Begin[], name##End[]

ASSET(danausPageStyle, DANAUS_ASSETS "/page.css");
ASSET(danausReportScript, DANAUS_ASSETS "/report.js");
ASSET(danausChartLibrary, DANAUS_CHART_JS);

namespace danaus {

std::string_view pageStyle() { return {danausPageStyleBegin, danausPageStyleEnd}; }
std::string_view reportScript() { return {danausReportScriptBegin, danausReportScriptEnd}; }
std::string_view chartLibrary() { return {danausChartLibraryBegin, danausChartLibraryEnd}; }

} // namespace danaus
