// The folder of a run and the files in it that are written whole.
#include "runtime/run/RunFolder.h"

#include "runtime/base/AtomicFile.h"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace danaus {

namespace {

Status checkFresh(const std::string &path) {
  std::error_code failure;
  bool empty = std::filesystem::is_empty(path, failure);
  if (failure)
    return ioError("read folder", path, failure.value());
  if (!empty)
    return Error(ExitCode::Usage, "'" + path +
                                      "' is not empty and would be overwritten: continue the run "
                                      "there with --resume, or name another folder with --out");
  return Status::ok();
}

Status checkResume(const std::string &path) {
  if (isFolder(joinPath(path, "checkpoints")))
    return Status::ok();
  return Error(ExitCode::Usage, "there is no run to resume in '" + path +
                                    "' (no checkpoints folder); start it without --resume");
}

} // namespace

Expected<RunFolder> RunFolder::open(const std::string &path, RunMode mode) {
  if (mode == RunMode::Resume) {
    if (Status status = checkResume(path); !status)
      return status.takeError();
    return RunFolder(path, mode);
  }
  if (Status status = makeFolders(path); !status)
    return status.takeError();
  if (Status status = checkFresh(path); !status)
    return status.takeError();
  return RunFolder(path, mode);
}

std::string RunFolder::file(const std::string &name) const { return joinPath(folder, name); }

Status RunFolder::writeConfig(const std::string &yaml) const {
  return writeFileAtomically(file("config.yaml"), yaml);
}

std::string summaryJson(const RunSummary &summary) {
  nlohmann::ordered_json json = {{"model", summary.model},
                                 {"device", summary.device},
                                 {"params", summary.params},
                                 {"macs", summary.macs},
                                 {"dense_params", summary.denseParams},
                                 {"dense_macs", summary.denseMacs},
                                 {"epochs", summary.epochs},
                                 {"steps", summary.steps},
                                 {"best_epoch", summary.bestEpoch}};
  auto put = [&](const char *key, const std::optional<double> &value) {
    json[key] = value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  };
  put("best_val_accuracy", summary.bestValAccuracy);
  put("test_accuracy", summary.testAccuracy);
  put("test_loss", summary.testLoss);
  put("seconds", summary.seconds);
  json["peak_bytes"] = summary.peakBytes;
  json["ranks"] = summary.ranks;
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Status writeSummary(const RunFolder &run, const RunSummary &summary) {
  return writeFileAtomically(run.file("summary.json"), summaryJson(summary));
}

} // namespace danaus
