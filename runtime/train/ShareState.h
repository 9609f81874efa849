// Where the ranks of a job come to one state: that of rank 0, which alone reads and writes files.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/run/Checkpoint.h"

#include <functional>

namespace danaus {

/// All ranks get the manifest of rank 0: where the run stands.
Status shareManifest(Communicator &ranks, CheckpointManifest &manifest);

/// All ranks get the parameters of rank 0's executor, which is of the same phase.
Status shareParameters(Executor &executor);

/// Writes state `slot` of parameter `index`, whole.
using StateReader = std::function<Status(size_t index, size_t slot, std::span<float> into)>;

/// The optimizer's state that rank 0 reads: all ranks get it, or their shares of it. `read` is
/// called on rank 0 only, for one tensor after the other.
Status shareState(Executor &executor, const StateReader &read);

} // namespace danaus
