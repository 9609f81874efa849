// One table of fields serves writing and reading.
#include "runtime/run/Manifest.h"

#include "runtime/base/Json.h"

#include <cmath>

namespace danaus {

namespace {

using nlohmann::json;

constexpr uint64_t formatVersion = 2;

Error invalid(const std::string &path, const std::string &what) {
  return Error(ExitCode::CheckpointInvalid, "'" + path + "': " + what);
}

json checksumJson(const FileChecksum &sum) { return {{"bytes", sum.bytes}, {"crc32", sum.crc32}}; }

std::string canonical(json object) {
  object.erase("crc32");
  std::string text = object.dump(2, ' ', false, json::error_handler_t::replace);
  object["crc32"] = crc32(text.data(), text.size());
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

/// Reads fields and remembers the first that is missing or of the wrong type.
class FieldReader {
public:
  explicit FieldReader(const json &object) : object(object) {}

  void number(const char *key, uint64_t &into) {
    if (const json *value = field(key, &json::is_number_unsigned))
      into = value->get<uint64_t>();
  }
  void text(const char *key, std::string &into) {
    if (const json *value = field(key, &json::is_string))
      into = value->get<std::string>();
  }
  void optionalReal(const char *key, std::optional<double> &into) {
    if (object.contains(key) && object[key].is_null())
      return;
    if (const json *value = field(key, &json::is_number))
      into = value->get<double>();
  }
  void reals(const char *key, std::map<std::string, double> &into) {
    const json *values = field(key, &json::is_object);
    for (auto item = values ? values->begin() : json::const_iterator();
         values && item != values->end(); ++item) {
      if (!item->is_number())
        bad = key;
      else
        into[item.key()] = item->get<double>();
    }
  }
  void checksum(const char *key, FileChecksum &into) {
    const json *value = field(key, &json::is_object);
    if (!value)
      return;
    FieldReader inner(*value);
    uint64_t crc = 0;
    inner.number("bytes", into.bytes);
    inner.number("crc32", crc);
    into.crc32 = uint32_t(crc);
    if (!inner.bad.empty())
      bad = std::string(key) + "." + inner.bad;
  }

  std::string bad;

private:
  const json *field(const char *key, bool (json::*isType)() const noexcept) {
    auto place = object.find(key);
    if (place != object.end() && ((*place).*isType)())
      return &*place;
    if (bad.empty())
      bad = key;
    return nullptr;
  }

  const json &object;
};

} // namespace

Expected<std::string> manifestText(const ManifestFile &file) {
  const CheckpointManifest &manifest = file.manifest;
  for (const auto &[name, value] : manifest.sums)
    if (!std::isfinite(value))
      return Error(ExitCode::Internal, "the sum " + name + " of a checkpoint is not finite");
  if (manifest.bestAccuracy && !std::isfinite(*manifest.bestAccuracy))
    return Error(ExitCode::Internal, "the best accuracy of a checkpoint is not finite");
  json object = {{"format", formatVersion},
                 {"step", manifest.step},
                 {"epoch", manifest.epoch},
                 {"epoch_step", manifest.epochStep},
                 {"phase", manifest.phase},
                 {"forgotten_steps", manifest.forgottenSteps},
                 {"best_accuracy", manifest.bestAccuracy ? json(*manifest.bestAccuracy) : json()},
                 {"best_epoch", manifest.bestEpoch},
                 {"seed", manifest.seed},
                 {"model", manifest.model},
                 {"spec_hash", manifest.specHash},
                 {"metrics_json_rows", manifest.metrics.jsonRows},
                 {"metrics_csv_rows", manifest.metrics.csvRows},
                 {"metrics_events", manifest.metrics.events},
                 {"sums", manifest.sums},
                 {modelFileName, checksumJson(file.model)},
                 {stateFileName, checksumJson(file.state)}};
  return canonical(std::move(object));
}

Expected<ManifestFile> parseManifest(const std::string &text, const std::string &path) {
  Expected<json> object = parseJson(text, "'" + path + "'", ExitCode::CheckpointInvalid);
  if (!object)
    return object.takeError();
  if (!object->is_object())
    return invalid(path, "is not a JSON object");
  ManifestFile file;
  FieldReader reader(*object);
  uint64_t version = 0;
  reader.number("format", version);
  if (reader.bad.empty() && version != formatVersion)
    return invalid(path, format("has format %llu; this program reads %llu",
                                (unsigned long long)version, (unsigned long long)formatVersion));
  reader.number("step", file.manifest.step);
  reader.number("epoch", file.manifest.epoch);
  reader.number("epoch_step", file.manifest.epochStep);
  reader.number("phase", file.manifest.phase);
  reader.number("forgotten_steps", file.manifest.forgottenSteps);
  reader.optionalReal("best_accuracy", file.manifest.bestAccuracy);
  reader.number("best_epoch", file.manifest.bestEpoch);
  reader.number("seed", file.manifest.seed);
  reader.text("model", file.manifest.model);
  reader.text("spec_hash", file.manifest.specHash);
  reader.number("metrics_json_rows", file.manifest.metrics.jsonRows);
  reader.number("metrics_csv_rows", file.manifest.metrics.csvRows);
  reader.number("metrics_events", file.manifest.metrics.events);
  reader.reals("sums", file.manifest.sums);
  reader.checksum(modelFileName, file.model);
  reader.checksum(stateFileName, file.state);
  if (!reader.bad.empty())
    return invalid(path, reader.bad + " is missing or of the wrong type");
  if (canonical(*object) != text)
    return invalid(path, "was altered: its checksum does not match");
  return file;
}

} // namespace danaus
