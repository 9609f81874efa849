// What a run's folder says about the run as a whole: at its start the spec and the model binary (so
// that resuming and evaluating need no compiler), at its end summary.json and report.html.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/report/Report.h"

namespace danaus {

/// The model binary of a run, in its folder.
inline constexpr const char *runModelFile = "model.dnb";

/// config.yaml, model.dnb and the empty folder of checkpoints.
Status writeRunStart(const RunFolder &run, const ModelFile &file);

/// A summary with what the model and the device say; the results are the caller's.
RunSummary describeRun(Executor &executor);

/// summary.json and report.html.
Status writeRunRecord(const RunFolder &run, Executor &executor, const RunSummary &summary,
                      const std::vector<EpochRow> &epochs);

} // namespace danaus
