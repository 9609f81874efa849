// See RunFiles.h.
#include "runtime/report/RunFiles.h"

#include "runtime/base/File.h"
#include "runtime/base/Json.h"
#include "runtime/run/RunRecord.h"

namespace danaus {

/// Null where the file is not there.
template <typename Json> static Expected<Json> readObject(const std::string &path) {
  constexpr uint64_t limit = 256 << 20;
  if (!pathExists(path))
    return Json();
  auto text = readFile(path, limit, ExitCode::CheckpointInvalid);
  if (!text)
    return text.takeError();
  auto checked = parseJson(*text, "'" + path + "'", ExitCode::CheckpointInvalid);
  if (!checked)
    return checked.takeError();
  if (!checked->is_object())
    return Error(ExitCode::CheckpointInvalid, "'" + path + "' is not what a run writes there");
  return Json::parse(*text);
}

std::string profileFileName(uint64_t phase) {
  return format("profile-%llu.json", (unsigned long long)phase);
}

Expected<RunFiles> readRunFiles(const std::string &folder) {
  RunFiles files;
  auto metrics = readMetricsRows(folder);
  if (!metrics)
    return metrics.takeError();
  files.metrics = std::move(*metrics);
  auto model = ModelFile::open(joinPath(folder, runModelFile));
  if (!model)
    return model.takeError();
  files.model = std::make_shared<ModelFile>(std::move(*model));
  auto summary = readObject<nlohmann::json>(joinPath(folder, "summary.json"));
  if (!summary)
    return summary.takeError();
  files.summary = std::move(*summary);
  auto environment = readObject<nlohmann::ordered_json>(joinPath(folder, environmentFile));
  if (!environment)
    return environment.takeError();
  for (const auto &[name, value] : environment->items())
    files.environment.emplace_back(name,
                                   value.is_string() ? value.get<std::string>() : value.dump());
  for (uint64_t phase = 1; phase <= files.model->model().phases()->size(); ++phase) {
    auto profile = readObject<nlohmann::json>(joinPath(folder, profileFileName(phase)));
    if (!profile)
      return profile.takeError();
    if (profile->is_object())
      files.profiles[phase] = std::move(*profile);
    auto border = readObject<nlohmann::json>(
        joinPath(folder, format("phase-%llu.json", (unsigned long long)phase)));
    if (!border)
      return border.takeError();
    if (border->is_object())
      files.borders[phase] = std::move(*border);
  }
  return files;
}

} // namespace danaus
