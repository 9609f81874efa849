// Where the ranks of a job come to one state: that of rank 0, which alone reads and writes files.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/train/Checkpoint.h"

namespace danaus {

/// All ranks get the manifest of rank 0: where the run stands.
Status shareManifest(Communicator &ranks, CheckpointManifest &manifest);

enum class StateParts { Parameters, ParametersAndOptimizer };

/// All ranks get the parameters, and where asked for the optimizer's state, of rank 0's executor,
/// which is of the same phase.
Status shareState(Executor &executor, StateParts parts);

} // namespace danaus
