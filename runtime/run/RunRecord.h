// What a run's folder says about the run as a whole: at its start the spec and the model binary (so
// that resuming and evaluating need no compiler), and on what it runs.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/run/RunFolder.h"

namespace danaus {

/// The model binary of a run, in its folder.
inline constexpr const char *runModelFile = "model.dnb";
inline constexpr const char *environmentFile = "environment.json";

/// config.yaml, model.dnb and the empty folder of checkpoints.
Status writeRunStart(const RunFolder &run, const ModelFile &file);

/// A summary with what the model and the device say; the results are the caller's.
RunSummary describeRun(Executor &executor);

/// environment.json: on what the run runs, names and values for people, in the order of a report.
Status writeEnvironment(const RunFolder &run, Executor &executor);

} // namespace danaus
