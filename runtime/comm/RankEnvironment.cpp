// See RankEnvironment.h.
#include "runtime/comm/RankEnvironment.h"

#include "runtime/base/Hash.h"
#include "runtime/comm/Socket.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <unistd.h>

namespace danaus {

namespace {

constexpr uint64_t MostRanks = 1 << 16;
/// Ports that jobs without one of their own are spread over.
constexpr uint64_t FirstPort = 20000, PortCount = 10000;

/// The names that one launcher gives to the numbers of a rank; the local ones may be missing.
struct Launcher {
  const char *name, *rank, *size, *localRank, *localSize, *job;
};
constexpr Launcher launchers[] = {
    {launchedByUs, "DANAUS_RANK", "DANAUS_SIZE", "DANAUS_RANK", "DANAUS_SIZE", "DANAUS_TOKEN"},
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE", "PMIX_NAMESPACE"},
    {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE",
     "SLURM_JOB_ID"},
    {"MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "PMI_JOBID"},
};

class EnvironmentReader {
public:
  explicit EnvironmentReader(const ReadVariable &variable) : variable(variable) {}

  std::string text(const char *name) const {
    const char *value = variable(name);
    return value ? value : "";
  }
  bool has(const char *name) const { return !text(name).empty(); }

  Expected<unsigned> number(const char *name, uint64_t most) const {
    std::string value = text(name);
    uint64_t result = 0;
    auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (code != std::errc() || end != value.data() + value.size() || result > most)
      return Error(ExitCode::Usage, format("the variable %s is '%s', which is no number from 0 to "
                                           "%llu",
                                           name, value.c_str(), (unsigned long long)most));
    return unsigned(result);
  }

  /// One number of a launcher; `fallback` where its variable is not set.
  Status read(const char *name, uint64_t most, unsigned &into) const {
    if (!has(name))
      return Status::ok();
    auto value = number(name, most);
    if (!value)
      return value.takeError();
    into = *value;
    return Status::ok();
  }

private:
  const ReadVariable &variable;
};

bool isSlurm(const Launcher &launcher) { return std::string(launcher.name) == "Slurm"; }

/// Slurm says "2(x3),1" for three hosts with two tasks each and one with one: the most.
unsigned slurmLocalSize(const std::string &tasks, unsigned size) {
  unsigned most = unsigned(std::strtoul(tasks.c_str(), nullptr, 10));
  for (size_t comma = tasks.find(','); comma != std::string::npos;
       comma = tasks.find(',', comma + 1))
    most = std::max(most, unsigned(std::strtoul(tasks.c_str() + comma + 1, nullptr, 10)));
  return most >= 1 && most <= size ? most : size;
}

Status readNumbers(const EnvironmentReader &reader, const Launcher &launcher,
                   RankEnvironment &into) {
  if (Status status = reader.read(launcher.rank, MostRanks, into.rank); !status)
    return status;
  if (Status status = reader.read(launcher.size, MostRanks, into.size); !status)
    return status;
  if (into.size == 0 || into.rank >= into.size)
    return Error(ExitCode::Usage, format("%s=%u and %s=%u contradict each other: ranks count from "
                                         "0",
                                         launcher.rank, into.rank, launcher.size, into.size));
  into.localSize = into.size;
  into.localRank = into.rank;
  if (isSlurm(launcher))
    into.localSize = slurmLocalSize(reader.text(launcher.localSize), into.size);
  else if (Status status = reader.read(launcher.localSize, MostRanks, into.localSize); !status)
    return status;
  if (Status status = reader.read(launcher.localRank, MostRanks, into.localRank); !status)
    return status;
  if (into.localSize > into.size || into.localRank >= into.localSize)
    return Error(ExitCode::Usage, format("local rank %u of %u on this host, of %u ranks in all: "
                                         "%s and %s contradict each other",
                                         into.localRank, into.localSize, into.size,
                                         launcher.localRank, launcher.localSize));
  return Status::ok();
}

uint16_t portOfJob(const std::string &job) {
  Hash hash;
  hash.add(job);
  return uint16_t(FirstPort +
                  std::strtoull(hash.hex().substr(24).c_str(), nullptr, 16) % PortCount);
}

/// Where rank 0 is: MASTER_ADDR, else what the launcher tells, else this host if all are on it.
Status readPlace(const EnvironmentReader &reader, const Launcher &launcher, RankEnvironment &into) {
  bool isOurs = reader.has("DANAUS_PORT");
  if (reader.has("MASTER_ADDR"))
    into.host = reader.text("MASTER_ADDR");
  else if (isSlurm(launcher) && reader.text("SLURM_STEP_NUM_NODES") != "1")
    into.host = firstSlurmHost(reader.text("SLURM_STEP_NODELIST"));
  else if (into.localSize < into.size)
    return Error(ExitCode::Usage,
                 format("%s started %u ranks, %u of them here, but MASTER_ADDR does not say on "
                        "which host rank 0 is: export it",
                        launcher.name, into.size, into.localSize));
  if (into.host.empty())
    return Error(ExitCode::Usage, "SLURM_STEP_NODELIST is empty: export MASTER_ADDR, the host of "
                                  "rank 0");
  unsigned port = 0;
  if (isOurs) {
    if (Status status = reader.read("DANAUS_PORT", 65535, port); !status)
      return status;
    into.host = "127.0.0.1";
  } else if (reader.has("MASTER_PORT")) {
    if (Status status = reader.read("MASTER_PORT", 65535, port); !status)
      return status;
    // The agent listens there; the next one is ours.
    port += reader.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  } else {
    port = portOfJob(into.token.empty() ? std::to_string(::getppid()) : into.token);
  }
  if (port == 0 || port > 65535)
    return Error(ExitCode::Usage, format("port %u of rank 0 is none: set MASTER_PORT", port));
  into.port = uint16_t(port);
  return Status::ok();
}

} // namespace

std::string firstSlurmHost(const std::string &list) {
  size_t bracket = list.find('['), comma = list.find(',');
  if (bracket == std::string::npos || comma < bracket)
    return list.substr(0, comma);
  size_t end = list.find_first_of(",-]", bracket);
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1);
}

Expected<RankEnvironment> readRankEnvironment(const ReadVariable &variable) {
  EnvironmentReader reader(variable);
  RankEnvironment found;
  for (const Launcher &launcher : launchers) {
    if (!reader.has(launcher.rank) && !reader.has(launcher.size))
      continue;
    // Slurm's variables of a batch script are no step: they stand there for one process.
    if (isSlurm(launcher) && !reader.has("SLURM_STEP_NUM_TASKS"))
      continue;
    RankEnvironment each;
    each.launcher = launcher.name;
    each.token = reader.text(launcher.job);
    for (const char *name : {launcher.rank, launcher.size})
      if (!reader.has(name))
        return Error(ExitCode::Usage, format("%s is set, but not %s: %s sets both, and so must you",
                                             name == launcher.rank ? launcher.size : launcher.rank,
                                             name, launcher.name));
    if (Status status = readNumbers(reader, launcher, each); !status)
      return status.takeError();
    if (each.isAlone())
      continue;
    // srun and mpirun may start torchrun, or --nproc, once a host: the inner one counts. RANK that
    // somebody exported by hand must say the same.
    if (!found.isAlone()) {
      bool isInner = found.launcher != "torchrun" || reader.has("TORCHELASTIC_RUN_ID");
      if (!isInner && (found.rank != each.rank || found.size != each.size))
        return Error(ExitCode::Usage,
                     format("RANK=%u, WORLD_SIZE=%u contradict %s, which started this as rank %u "
                            "of %u: unset one of them",
                            found.rank, found.size, launcher.name, each.rank, each.size));
      continue;
    }
    if (Status status = readPlace(reader, launcher, each); !status)
      return status.takeError();
    found = each;
  }
  if (reader.has("DANAUS_TOKEN"))
    found.token = reader.text("DANAUS_TOKEN");
  return found;
}

Expected<RankEnvironment> readRankEnvironment() {
  return readRankEnvironment([](const char *name) { return std::getenv(name); });
}

} // namespace danaus
