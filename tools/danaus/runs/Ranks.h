// The processes of one training job on this machine: `danaus train --nproc N` starts them, watches
// them, and says once what went wrong. What a rank needs to know goes through its environment
// (runtime/comm/RankEnvironment.h).
#pragma once

#include "runtime/base/Status.h"
#include "runtime/comm/RankEnvironment.h"

#include <string>
#include <vector>

namespace danaus::tool {

struct RankJob {
  std::vector<std::string> words; ///< of one rank: the path of the program, then its arguments
  unsigned count = 1;
  std::string run; ///< the run's folder, for the logs of all ranks but the first
  uint64_t restarts = 0;
};

/// Runs the job to its end. Rank 0 has our stdout and stderr; those of the others go to rank-N.log
/// in the run's folder. SIGINT and SIGTERM are handed to all. PeerFailed where a signal ended a
/// rank (the message names rank, host, signal and step); else the exit code of the rank that failed
/// first, with an empty message where it has said why itself. A job that failed because a rank died
/// is started again with --resume, at most `restarts` times.
Status runRanks(const RankJob &job);

/// Called by a rank: the step that it is at, for its launcher to tell where it died.
std::function<void(uint64_t)> stepReporter(unsigned rank);

/// Called by a rank with what it ends with: that another rank failed is told by the launcher, which
/// knows more, and once.
Status leaveToLauncher(Status status);

/// Where several ranks share this host and nobody but our launcher has given each its cores, takes
/// this rank's share of them.
void takeShareOfCores(const RankEnvironment &environment);

} // namespace danaus::tool
