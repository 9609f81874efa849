// See RunRecord.h.
#include "runtime/train/RunRecord.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/device/Checks.h"
#include "runtime/exec/Update.h"

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

static std::vector<ReportLayer> reportLayers(const fb::Phase &phase) {
  std::vector<ReportLayer> rows;
  for (const fb::Layer *layer : *phase.layers())
    rows.push_back({layer->name()->str(), layer->structure()->str(), layer->in_features(),
                    layer->out_features(), layer->params(), layer->macs(), layer->dense_macs()});
  return rows;
}

Status writeRunRecord(const RunFolder &run, Executor &executor, const RunSummary &summary,
                      const std::vector<EpochRow> &epochs) {
  if (Status status = writeSummary(run, summary); !status)
    return status;
  ReportContent content;
  content.summary = summary;
  content.epochs = epochs;
  for (const fb::Phase *phase : *executor.model().phases())
    content.phases.push_back({phase->epochs(), phase->params(), phase->macs(), phase->lr_scale(),
                              phase->projects_state()});
  content.layers = reportLayers(executor.phase());
  content.environment = {{"device", executor.device().description()},
                         {"threads", std::to_string(executor.threads())},
                         {"instruction set", executor.plan().isa()->str()},
                         {"planned memory", formatBytes(executor.plannedBytes())},
                         {"kernels per step", std::to_string(updateLaunches(executor))},
                         {"compiled by", executor.model().compiler()->str()}};
  content.spec = executor.model().spec()->str();
  return writeReport(run, content);
}

} // namespace danaus
