// Which rank of which job this process is, by what started it: `danaus train --nproc`, torchrun,
// srun, or an MPI's mpirun. Reads variables only; opens nothing.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <functional>
#include <string>

namespace danaus {

struct RankEnvironment {
  unsigned rank = 0, size = 1;           ///< of the job
  unsigned localRank = 0, localSize = 1; ///< of those on this host
  std::string host = "127.0.0.1";        ///< of rank 0
  uint16_t port = 0;
  std::string token;    ///< that keeps jobs apart
  std::string launcher; ///< "torchrun"; empty: a process of its own

  bool isAlone() const { return size == 1; }
};

/// RankEnvironment::launcher where it was `danaus train --nproc`.
inline constexpr const char *launchedByUs = "danaus --nproc";

using ReadVariable = std::function<const char *(const char *name)>;

/// From variables, the first of these that is complete:
///   danaus      DANAUS_RANK, DANAUS_SIZE, DANAUS_PORT, DANAUS_TOKEN, as --nproc sets them
///   torchrun    RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT (others
///               who set these are fine too); where torchrun's agent holds MASTER_PORT the next one
///   Open MPI    OMPI_COMM_WORLD_{RANK,SIZE,LOCAL_RANK,LOCAL_SIZE}
///   Slurm       SLURM_{PROCID,LOCALID,STEP_NUM_TASKS,STEP_NODELIST,JOB_ID} of a step (srun)
///   MPICH       PMI_{RANK,SIZE}, MPI_{LOCALRANKID,LOCALNRANKS}
/// MASTER_ADDR and MASTER_PORT count with each. Usage: numbers that are none or do not fit each
/// other, two launchers that contradict each other, no address of rank 0 where there are several
/// hosts.
Expected<RankEnvironment> readRankEnvironment(const ReadVariable &variable);
/// Of this process.
Expected<RankEnvironment> readRankEnvironment();

/// The first host of a Slurm list: "gpu[03-05,9],login1" is gpu03.
std::string firstSlurmHost(const std::string &list);

} // namespace danaus
