// See RunRecord.h.
#include "runtime/run/RunRecord.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/device/Checks.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "runtime/exec/Update.h"

#include <nlohmann/json.hpp>
#include <sys/utsname.h>

namespace danaus {

Status writeRunStart(const RunFolder &run, const ModelFile &file) {
  if (Status status = run.writeConfig(file.model().spec()->str()); !status)
    return status;
  Expected<std::string> binary = readFile(file.path(), file.fileBytes());
  if (!binary)
    return binary.takeError();
  if (Status status = writeFileAtomically(run.file(runModelFile), *binary); !status)
    return status;
  // Marks the folder as a run that can be resumed, even before its first checkpoint.
  return makeFolders(run.checkpoints());
}

RunSummary describeRun(Executor &executor) {
  const fb::Model &model = executor.model();
  RunSummary summary;
  summary.model = model.name()->str();
  summary.device = executor.device().description();
  summary.params = executor.phase().params();
  summary.macs = executor.phase().macs();
  summary.denseParams = model.dense_params();
  summary.denseMacs = model.dense_macs();
  return summary;
}

Status writeEnvironment(const RunFolder &run, Executor &executor) {
  utsname system{};
  (void)::uname(&system);
  nlohmann::ordered_json json = {
      {"device", executor.device().description()},
      {"processor", cpuModelName()},
      {"threads", std::to_string(executor.threads())},
      {"ranks", std::to_string(executor.ranks().size())},
      {"instruction set", executor.plan().isa()->str()},
      {"memory", formatBytes(usableMemoryBytes())},
      {"planned memory", formatBytes(executor.plannedBytes())},
      {"kernels per step", std::to_string(updateLaunches(executor))},
      {"system", std::string(system.sysname) + " " + system.release + ", " + system.machine},
      {"compiled by", executor.model().compiler()->str()}};
  return writeFileAtomically(run.file(environmentFile),
                             json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                                 "\n");
}

} // namespace danaus
