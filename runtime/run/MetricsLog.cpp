// Formats rows and keeps the three files at the same point.
#include "runtime/run/MetricsLog.h"

#include "runtime/run/AppendFile.h"
#include "runtime/run/TfEvents.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace danaus {

namespace {

using ull = unsigned long long;

constexpr const char *csvHeader =
    "epoch,step,train_loss,val_loss,val_accuracy,lr,seconds,images_per_s\n";
constexpr uint64_t readLimit = uint64_t(4) << 30;

double wallTime() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

/// 9 significant digits give a float back exactly. JSON has no NaN and no infinity.
std::string number(double value, const char *notFinite) {
  return std::isfinite(value) ? format("%.9g", value) : notFinite;
}
std::string jsonNumber(double value) { return number(value, "null"); }
std::string csvNumber(const std::optional<double> &value) {
  return value ? number(*value, "nan") : "";
}

std::string jsonRow(const EpochRow &row) {
  std::string text =
      format("{\"epoch\": %llu, \"step\": %llu, \"train_loss\": ", ull(row.epoch), ull(row.step)) +
      jsonNumber(row.trainLoss);
  if (row.valLoss)
    text += ", \"val_loss\": " + jsonNumber(*row.valLoss);
  if (row.valAccuracy)
    text += ", \"val_accuracy\": " + jsonNumber(*row.valAccuracy);
  text += ", \"lr\": " + jsonNumber(row.lr);
  if (row.gradNorm)
    text += ", \"grad_norm\": " + jsonNumber(*row.gradNorm);
  return text + ", \"seconds\": " + jsonNumber(row.seconds) +
         ", \"images_per_s\": " + jsonNumber(row.imagesPerSecond) + "}\n";
}

std::string csvRow(const EpochRow &row) {
  std::string text = format("%llu,%llu", ull(row.epoch), ull(row.step));
  for (const std::optional<double> &value :
       {std::optional<double>(row.trainLoss), row.valLoss, row.valAccuracy,
        std::optional<double>(row.lr), std::optional<double>(row.seconds),
        std::optional<double>(row.imagesPerSecond)})
    text += "," + csvNumber(value);
  return text + "\n";
}

/// One field up to a comma or the line's end; false when it is neither a number nor empty.
bool takeField(std::string_view &line, std::optional<double> &into) {
  size_t end = std::min(line.find(','), line.size());
  std::string field(line.substr(0, end));
  line.remove_prefix(std::min(end + 1, line.size()));
  if (field.empty())
    return true;
  char *stop = nullptr;
  into = std::strtod(field.c_str(), &stop);
  return *stop == '\0';
}

std::optional<EpochRow> parseCsvRow(std::string_view line) {
  std::array<std::optional<double>, 8> fields;
  if (std::count(line.begin(), line.end(), ',') != 7)
    return std::nullopt;
  for (std::optional<double> &field : fields)
    if (!takeField(line, field))
      return std::nullopt;
  for (size_t needed : {0, 1, 2, 5, 6, 7})
    if (!fields[needed])
      return std::nullopt;
  if (!(*fields[0] >= 0 && *fields[0] < 1e15 && *fields[1] >= 0 && *fields[1] < 1e15))
    return std::nullopt;
  return EpochRow{uint64_t(*fields[0]), uint64_t(*fields[1]), *fields[2], fields[3], fields[4],
                  *fields[5],           *fields[6],           *fields[7]};
}

/// The first `count` whole lines.
std::vector<std::string_view> takeLines(std::string_view content, uint64_t count) {
  std::vector<std::string_view> lines;
  for (size_t start = 0, end; lines.size() < count; start = end + 1) {
    end = content.find('\n', start);
    if (end == std::string_view::npos)
      break;
    lines.push_back(content.substr(start, end - start));
  }
  return lines;
}

uint64_t bytesOf(const std::vector<std::string_view> &lines) {
  uint64_t bytes = 0;
  for (std::string_view line : lines)
    bytes += line.size() + 1;
  return bytes;
}

/// Empty when the file is not there.
Expected<std::string> contentOf(const std::string &path) {
  return pathExists(path) ? readFile(path, readLimit) : Expected<std::string>(std::string());
}

/// The run's event file, or the name of a new one. TensorBoard goes by the prefix.
std::string eventFilePath(const RunFolder &run) {
  std::string found;
  std::error_code failure;
  for (const auto &entry : std::filesystem::directory_iterator(run.path(), failure))
    if (std::string name = entry.path().filename().string();
        name.starts_with("events.out.tfevents."))
      found = std::max(found, name);
  if (!found.empty())
    return run.file(found);
  char host[256] = "localhost";
  (void)::gethostname(host, sizeof(host) - 1);
  return run.file(format("events.out.tfevents.%010lld.%s", (long long)wallTime(), host));
}

struct Reopened {
  AppendFile file;
  uint64_t records;
};

Expected<Reopened> openJson(const RunFolder &run, uint64_t rows) {
  std::string path = run.file("metrics.jsonl");
  Expected<std::string> content = contentOf(path);
  if (!content)
    return content.takeError();
  std::vector<std::string_view> lines = takeLines(*content, rows);
  Expected<AppendFile> file = AppendFile::reopen(path, bytesOf(lines));
  if (!file)
    return file.takeError();
  return Reopened{std::move(*file), lines.size()};
}

Expected<Reopened> openCsv(const RunFolder &run, uint64_t rows, std::vector<EpochRow> &epochs) {
  std::string path = run.file("metrics.csv");
  Expected<std::string> content = contentOf(path);
  if (!content)
    return content.takeError();
  std::vector<std::string_view> lines = takeLines(*content, rows + 1);
  for (size_t index = 1; index < lines.size(); ++index) {
    std::optional<EpochRow> row = parseCsvRow(lines[index]);
    if (!row)
      return Error(ExitCode::CheckpointInvalid,
                   format("'%s':%zu is not a row of metrics; move the file away to resume without "
                          "it",
                          path.c_str(), index + 1));
    epochs.push_back(*row);
  }
  Expected<AppendFile> file = AppendFile::reopen(path, bytesOf(lines));
  if (!file)
    return file.takeError();
  if (lines.empty())
    if (Status status = file->append(csvHeader); !status)
      return status.takeError();
  return Reopened{std::move(*file), epochs.size()};
}

Expected<Reopened> openEvents(const RunFolder &run, uint64_t records) {
  std::string path = eventFilePath(run);
  Expected<std::string> content = contentOf(path);
  if (!content)
    return content.takeError();
  auto [bytes, count] = measureEventRecords(*content, records);
  Expected<AppendFile> file = AppendFile::reopen(path, bytes);
  if (!file)
    return file.takeError();
  if (count > 0)
    return Reopened{std::move(*file), count};
  if (Status status = file->append(eventFileHeader(wallTime())); !status)
    return status.takeError();
  return Reopened{std::move(*file), 1};
}

} // namespace

struct MetricsLog::Files {
  AppendFile json, csv, events;
  MetricsCounters counters;
  std::vector<EpochRow> epochs;
};

MetricsLog::MetricsLog(std::unique_ptr<Files> files) : files(std::move(files)) {}
MetricsLog::MetricsLog(MetricsLog &&) noexcept = default;
MetricsLog::~MetricsLog() = default;

Expected<MetricsLog> MetricsLog::open(const RunFolder &run, const MetricsCounters &counters) {
  std::vector<EpochRow> epochs;
  Expected<Reopened> json = openJson(run, counters.jsonRows);
  if (!json)
    return json.takeError();
  Expected<Reopened> csv = openCsv(run, counters.csvRows, epochs);
  if (!csv)
    return csv.takeError();
  Expected<Reopened> events = openEvents(run, counters.events);
  if (!events)
    return events.takeError();
  MetricsLog log(std::make_unique<Files>(Files{std::move(json->file),
                                               std::move(csv->file),
                                               std::move(events->file),
                                               {json->records, csv->records, events->records},
                                               std::move(epochs)}));
  if (Status status = log.flush(); !status)
    return status.takeError();
  return log;
}

Status MetricsLog::step(const StepRow &row) {
  std::string text =
      format("{\"step\": %llu, \"loss\": ", ull(row.step)) + jsonNumber(double(row.loss));
  EventScalars scalars = {{"train/step_loss", row.loss}};
  if (row.gradNorm) {
    text += ", \"grad_norm\": " + jsonNumber(double(*row.gradNorm));
    scalars.push_back({"train/grad_norm", *row.gradNorm});
  }
  if (row.lossScale) {
    text += ", \"loss_scale\": " + jsonNumber(double(*row.lossScale));
    scalars.push_back({"train/loss_scale", *row.lossScale});
  }
  if (Status status = files->json.append(text + "}\n"); !status)
    return status;
  ++files->counters.jsonRows;
  if (Status status = files->events.append(eventRecord(wallTime(), row.step, scalars)); !status)
    return status;
  ++files->counters.events;
  return Status::ok();
}

Status MetricsLog::epoch(const EpochRow &row) {
  if (Status status = files->json.append(jsonRow(row)); !status)
    return status;
  ++files->counters.jsonRows;
  if (Status status = files->csv.append(csvRow(row)); !status)
    return status;
  ++files->counters.csvRows;
  EventScalars scalars = {{"train/loss", float(row.trainLoss)},
                          {"lr", float(row.lr)},
                          {"images_per_s", float(row.imagesPerSecond)}};
  if (row.gradNorm)
    scalars.push_back({"train/epoch_grad_norm", float(*row.gradNorm)});
  if (row.valLoss)
    scalars.push_back({"val/loss", float(*row.valLoss)});
  if (row.valAccuracy)
    scalars.push_back({"val/accuracy", float(*row.valAccuracy)});
  if (Status status = files->events.append(eventRecord(wallTime(), row.step, scalars)); !status)
    return status;
  ++files->counters.events;
  files->epochs.push_back(row);
  return flush();
}

Status MetricsLog::flush() {
  for (AppendFile *file : {&files->json, &files->csv, &files->events})
    if (Status status = file->flush(); !status)
      return status;
  return Status::ok();
}

Status MetricsLog::sync() {
  for (AppendFile *file : {&files->json, &files->csv, &files->events})
    if (Status status = file->sync(); !status)
      return status;
  return Status::ok();
}

MetricsCounters MetricsLog::counters() const { return files->counters; }
const std::vector<EpochRow> &MetricsLog::epochs() const { return files->epochs; }

} // namespace danaus
