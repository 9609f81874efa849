// See Comparison.h: reading runs, and the numbers of the table.
#include "runtime/compare/Comparison.h"

#include "runtime/base/File.h"
#include "runtime/base/Json.h"

#include <algorithm>
#include <cmath>

namespace danaus {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr uint64_t mostBytes = 1 << 30;

Expected<json> readSummary(const std::string &folder) {
  std::string path = joinPath(folder, "summary.json");
  auto text = readFile(path, mostBytes, ExitCode::CheckpointInvalid);
  if (!text)
    return text.takeError();
  return parseJson(*text, "'" + path + "'", ExitCode::CheckpointInvalid);
}

/// A number of an object; `missing` where there is none.
double numberOf(const json &object, const char *key, double missing = 0) {
  return object.is_object() && object.contains(key) && object[key].is_number()
             ? object[key].get<double>()
             : missing;
}

/// Calls `row` with each epoch of metrics.jsonl.
template <typename Row> Status forEachEpoch(const std::string &folder, Row row) {
  std::string path = joinPath(folder, "metrics.jsonl");
  auto text = readFile(path, mostBytes, ExitCode::CheckpointInvalid);
  if (!text)
    return text.takeError();
  for (size_t begin = 0, end; begin < text->size(); begin = end + 1) {
    end = std::min(text->find('\n', begin), text->size());
    auto parsed = parseJson(std::string_view(*text).substr(begin, end - begin), "'" + path + "'",
                            ExitCode::CheckpointInvalid);
    if (!parsed)
      return parsed.takeError();
    if (parsed->is_object() && parsed->contains("epoch"))
      row(*parsed);
  }
  return Status::ok();
}

ordered_json spreadJson(const Spread &spread) {
  return {{"mean", spread.mean},
          {"deviation", spread.deviation ? ordered_json(*spread.deviation) : ordered_json()}};
}

ordered_json runJson(const ComparedRun &run) {
  return {{"seed", run.seed},
          {"test_accuracy", run.testAccuracy},
          {"test_loss", run.testLoss},
          {"best_val_accuracy",
           run.bestValAccuracy ? ordered_json(*run.bestValAccuracy) : ordered_json()},
          {"epoch_seconds", run.epochSeconds},
          {"params", run.params},
          {"macs", run.macs},
          {"peak_bytes", run.peakBytes}};
}

} // namespace

Expected<ComparedRun> readRun(const std::string &folder, uint64_t seed) {
  auto summary = readSummary(folder);
  if (!summary)
    return summary.takeError();
  if (!summary->is_object() || !summary->contains("test_accuracy"))
    return Error(ExitCode::CheckpointInvalid, "'" + folder + "' is not a finished run");
  ComparedRun run;
  run.seed = seed;
  run.testAccuracy = numberOf(*summary, "test_accuracy");
  run.testLoss = numberOf(*summary, "test_loss");
  if ((*summary)["best_val_accuracy"].is_number())
    run.bestValAccuracy = numberOf(*summary, "best_val_accuracy");
  run.peakBytes = uint64_t(numberOf(*summary, "peak_bytes"));
  run.params = uint64_t(numberOf(*summary, "params"));
  run.macs = uint64_t(numberOf(*summary, "macs"));
  double seconds = 0, epochs = 0;
  Status status = forEachEpoch(folder, [&](const json &row) {
    seconds += numberOf(row, "seconds");
    epochs += 1;
    if (row.contains("val_accuracy") && row["val_accuracy"].is_number())
      run.accuracyOverTime.push_back({seconds, numberOf(row, "val_accuracy")});
  });
  if (!status)
    return status.takeError();
  run.epochSeconds = epochs > 0 ? seconds / epochs : 0;
  return run;
}

std::vector<ComparisonRow> compareRuns(const std::vector<ComparedModel> &models) {
  auto mean = [](const ComparedModel &model, uint64_t ComparedRun::*member, uint64_t otherwise) {
    double sum = 0;
    for (const ComparedRun &run : model.runs)
      sum += double(run.*member);
    return model.runs.empty() ? otherwise : uint64_t(std::llround(sum / double(model.runs.size())));
  };
  auto values = [](const ComparedModel &model, double ComparedRun::*member) {
    std::vector<double> result;
    for (const ComparedRun &run : model.runs)
      result.push_back(run.*member);
    return result;
  };
  std::vector<ComparisonRow> rows;
  for (const ComparedModel &model : models) {
    ComparisonRow &row = rows.emplace_back();
    auto accuracy = values(model, &ComparedRun::testAccuracy);
    auto seconds = values(model, &ComparedRun::epochSeconds);
    auto first = values(models.front(), &ComparedRun::epochSeconds);
    row.params = mean(model, &ComparedRun::params, model.params);
    row.macs = mean(model, &ComparedRun::macs, model.macs);
    row.testAccuracy = spreadOf(accuracy);
    row.epochSeconds = spreadOf(seconds);
    std::vector<double> ratios;
    for (size_t i = 0; i < seconds.size(); ++i)
      ratios.push_back(seconds[i] > 0 ? first[i] / seconds[i] : 0);
    row.speed = spreadOf(ratios);
    for (const ComparedRun &run : model.runs)
      row.peakBytes = std::max(row.peakBytes, run.peakBytes);
    if (&model != &models.front())
      row.accuracy = pairedTest(values(models.front(), &ComparedRun::testAccuracy), accuracy);
  }
  return rows;
}

std::string comparisonJson(const std::vector<ComparedModel> &models) {
  std::vector<ComparisonRow> rows = compareRuns(models);
  ordered_json all = ordered_json::object();
  all["seeds"] = ordered_json::array();
  for (const ComparedRun &run : models.front().runs)
    all["seeds"].push_back(run.seed);
  all["models"] = ordered_json::array();
  for (size_t i = 0; i < models.size(); ++i) {
    ordered_json entry = {{"name", models[i].name},
                          {"spec", models[i].spec},
                          {"params", rows[i].params},
                          {"macs", rows[i].macs},
                          {"test_accuracy", spreadJson(rows[i].testAccuracy)},
                          {"epoch_seconds", spreadJson(rows[i].epochSeconds)},
                          {"speed", spreadJson(rows[i].speed)},
                          {"peak_bytes", rows[i].peakBytes}};
    if (const auto &test = rows[i].accuracy)
      entry["paired_test"] = {{"difference", test->difference.mean},
                              {"t", std::isinf(test->t) ? ordered_json() : ordered_json(test->t)},
                              {"p", test->p}};
    entry["runs"] = ordered_json::array();
    for (const ComparedRun &run : models[i].runs)
      entry["runs"].push_back(runJson(run));
    all["models"].push_back(std::move(entry));
  }
  return all.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

} // namespace danaus
