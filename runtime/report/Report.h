// report.html: one file without network that shows a run: curves, epochs, layers with what their
// structure saves and how long they take, kernels beside the limits of the machine, the memory of a
// step, what is fused, the environment and the spec. Made from the files of a run alone, so that it
// can be made again at any time. Light and dark, for screens, phones and paper.
#pragma once

#include "runtime/report/RunFiles.h"

namespace danaus {

std::string renderReport(const RunFiles &run);

/// Reads the run's folder and writes report.html to it. Errors are those of readRunFiles; IoError.
Status writeReport(const std::string &folder);

} // namespace danaus
