// The run folder and the metrics files: what is in them, and that a resumed run neither
// repeats nor skips a row.
#include "runtime/base/Checksum.h"
#include "runtime/run/MetricsLog.h"
#include "runtime/run/TfEvents.h"
#include "test/runtime/support/TempFolder.h"

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

using namespace danaus;
using namespace danaus::test;

namespace {

EpochRow epochRow(uint64_t epoch) {
  return {epoch, epoch * 10, 0.5 / double(epoch), 0.25, 0.875, 1e-3, 0.5, 98000};
}

/// One decoded event: everything that a reader of TensorBoard files sees.
struct Event {
  double wallTime = 0;
  uint64_t step = 0;
  std::string version;
  std::vector<std::pair<std::string, float>> scalars;
};

/// A small protobuf reader that calls back with (field, type, bytes or varint).
template <typename Visit> void readFields(std::string_view bytes, Visit visit) {
  auto varint = [&] {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      uint8_t byte = uint8_t(bytes.at(0));
      bytes.remove_prefix(1);
      value |= uint64_t(byte & 127) << shift;
      if (byte < 128)
        return value;
    }
  };
  while (!bytes.empty()) {
    uint64_t key = varint(), value = 0;
    size_t size = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : 0;
    if ((key & 7) == 0)
      value = varint();
    if ((key & 7) == 2)
      size = varint();
    visit(key >> 3, bytes.substr(0, size), value);
    bytes.remove_prefix(size);
  }
}

uint32_t mask(std::string_view bytes) {
  uint32_t crc = crc32c(bytes.data(), bytes.size());
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

template <typename T> T raw(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

Event decodeEvent(std::string_view data) {
  Event event;
  readFields(data, [&](uint64_t field, std::string_view bytes, uint64_t value) {
    if (field == 1)
      event.wallTime = raw<double>(bytes);
    if (field == 2)
      event.step = value;
    if (field == 3)
      event.version = bytes;
    if (field == 5)
      readFields(bytes, [&](uint64_t, std::string_view entry, uint64_t) {
        std::pair<std::string, float> scalar;
        readFields(entry, [&](uint64_t part, std::string_view content, uint64_t) {
          part == 1 ? void(scalar.first = content) : void(scalar.second = raw<float>(content));
        });
        event.scalars.push_back(scalar);
      });
  });
  return event;
}

std::vector<Event> decodeEvents(std::string_view content) {
  std::vector<Event> events;
  while (!content.empty()) {
    uint64_t length = raw<uint64_t>(content);
    EXPECT_EQ(raw<uint32_t>(content.substr(8)), mask(content.substr(0, 8)));
    EXPECT_EQ(raw<uint32_t>(content.substr(12 + length)), mask(content.substr(12, length)));
    events.push_back(decodeEvent(content.substr(12, length)));
    content.remove_prefix(length + 16);
  }
  return events;
}

struct RunTest : ::testing::Test {
  TempFolder folder;
  std::string path = folder / "runs/demo";

  RunFolder open(RunMode mode = RunMode::Fresh) {
    Expected<RunFolder> run = RunFolder::open(path, mode);
    EXPECT_TRUE(succeeds(run));
    return *run;
  }
  std::string eventFile() {
    for (const auto &entry : std::filesystem::directory_iterator(path))
      if (entry.path().filename().string().starts_with("events.out.tfevents."))
        return entry.path().string();
    return {};
  }
};

TEST_F(RunTest, FreshFolderIsMadeAndConfigWritten) {
  RunFolder run = open();
  ASSERT_TRUE(succeeds(run.writeConfig("name: x\n")));
  EXPECT_EQ(readText(path + "/config.yaml"), "name: x\n");
}

TEST_F(RunTest, AnEarlierRunIsNotOverwritten) {
  ASSERT_TRUE(succeeds(open().writeConfig("name: x\n")));
  Expected<RunFolder> again = RunFolder::open(path, RunMode::Fresh);
  EXPECT_TRUE(failsWith(again, ExitCode::Usage, "runs/demo' is not empty"));
  EXPECT_TRUE(
      failsWith(again, ExitCode::Usage, "with --resume, or name another folder with --out"));
}

TEST_F(RunTest, ResumeNeedsARun) {
  EXPECT_TRUE(failsWith(RunFolder::open(path, RunMode::Resume), ExitCode::Usage,
                        "there is no run to resume in"));
  EXPECT_FALSE(pathExists(path));
  ASSERT_TRUE(makeFolders(path + "/checkpoints"));
  EXPECT_TRUE(succeeds(RunFolder::open(path, RunMode::Resume)));
}

TEST_F(RunTest, PlacesThatCannotBeWritten) {
  writeText(folder / "runs", "a file");
  EXPECT_TRUE(
      failsWith(RunFolder::open(path, RunMode::Fresh), ExitCode::IoError, "Not a directory"));
  // Not even root may make a folder here.
  EXPECT_TRUE(failsWith(RunFolder::open("/proc/danaus", RunMode::Fresh), ExitCode::IoError,
                        "cannot create folder '/proc/danaus'"));
}

TEST_F(RunTest, RowsOfAllFiles) {
  Expected<MetricsLog> log = MetricsLog::open(open());
  ASSERT_TRUE(succeeds(log));
  ASSERT_TRUE(succeeds(log->step({1, 2.3025851249694824f, {}})));
  ASSERT_TRUE(succeeds(log->step({2, NAN, 1.5f})));
  ASSERT_TRUE(succeeds(log->epoch(epochRow(1))));
  ASSERT_TRUE(succeeds(log->epoch({2, 20, 0.125, {}, {}, 1e-4, 0.5, 98000, 0.75})));
  ASSERT_TRUE(succeeds(log->sync()));
  EXPECT_EQ(
      readText(path + "/metrics.jsonl"),
      "{\"step\": 1, \"loss\": 2.30258512}\n"
      "{\"step\": 2, \"loss\": null, \"grad_norm\": 1.5}\n"
      "{\"epoch\": 1, \"step\": 10, \"train_loss\": 0.5, \"val_loss\": 0.25, "
      "\"val_accuracy\": 0.875, \"lr\": 0.001, \"seconds\": 0.5, \"images_per_s\": 98000}\n"
      "{\"epoch\": 2, \"step\": 20, \"train_loss\": 0.125, \"lr\": 0.0001, \"grad_norm\": 0.75, "
      "\"seconds\": 0.5, \"images_per_s\": 98000}\n");
  EXPECT_EQ(readText(path + "/metrics.csv"),
            "epoch,step,train_loss,val_loss,val_accuracy,lr,seconds,images_per_s\n"
            "1,10,0.5,0.25,0.875,0.001,0.5,98000\n"
            "2,20,0.125,,,0.0001,0.5,98000\n");
  std::vector<Event> events = decodeEvents(readText(eventFile()));
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_GT(events[0].wallTime, 1e9);
  EXPECT_EQ(events[1].step, 1u);
  EXPECT_EQ(events[1].scalars[0].first, "train/step_loss");
  EXPECT_EQ(events[1].scalars[0].second, 2.3025851249694824f);
  EXPECT_EQ(events[3].step, 10u);
  ASSERT_EQ(events[3].scalars.size(), 5u);
  EXPECT_EQ(events[3].scalars[4].first, "val/accuracy");
  EXPECT_EQ(events[3].scalars[4].second, 0.875f);
  ASSERT_EQ(events[4].scalars.size(), 4u);
  EXPECT_EQ(events[4].scalars[3].first, "train/epoch_grad_norm");
  EXPECT_EQ(events[4].scalars[3].second, 0.75f);
  EXPECT_EQ(log->counters().jsonRows, 4u);
  EXPECT_EQ(log->counters().csvRows, 2u);
  EXPECT_EQ(log->counters().events, 5u);
}

TEST_F(RunTest, NineDigitsGiveEveryFloatBack) {
  Expected<MetricsLog> log = MetricsLog::open(open());
  ASSERT_TRUE(succeeds(log));
  float loss = 1;
  for (int index = 0; index < 200; ++index, loss = std::nextafter(loss * 0.77f, 1.0f)) {
    ASSERT_TRUE(succeeds(log->step({1, loss, {}})));
    ASSERT_TRUE(succeeds(log->flush()));
    std::string text = readText(path + "/metrics.jsonl");
    text.pop_back();
    nlohmann::json row = nlohmann::json::parse(text.substr(text.rfind('\n') + 1));
    EXPECT_EQ(row["loss"].get<float>(), loss);
  }
}

TEST_F(RunTest, ResumeCutsWhatCameAfterTheCheckpoint) {
  MetricsCounters counters;
  std::string json, csv;
  {
    Expected<MetricsLog> log = MetricsLog::open(open());
    ASSERT_TRUE(succeeds(log));
    ASSERT_TRUE(succeeds(log->step({1, 0.5f, {}})));
    ASSERT_TRUE(succeeds(log->epoch(epochRow(1))));
    ASSERT_TRUE(succeeds(log->step({11, 0.25f, {}})));
    ASSERT_TRUE(succeeds(log->sync()));
    counters = log->counters();
    json = readText(path + "/metrics.jsonl");
    csv = readText(path + "/metrics.csv");
    ASSERT_TRUE(succeeds(log->step({12, 0.125f, {}})));
    ASSERT_TRUE(succeeds(log->epoch(epochRow(2))));
  }
  // And a row that a kill cut in half.
  writeText(path + "/metrics.jsonl", readText(path + "/metrics.jsonl") + "{\"step\": 1");
  size_t eventCount = decodeEvents(readText(eventFile())).size();
  ASSERT_TRUE(makeFolders(path + "/checkpoints"));
  Expected<MetricsLog> log = MetricsLog::open(open(RunMode::Resume), counters);
  ASSERT_TRUE(succeeds(log));
  EXPECT_EQ(readText(path + "/metrics.jsonl"), json);
  EXPECT_EQ(readText(path + "/metrics.csv"), csv);
  EXPECT_EQ(decodeEvents(readText(eventFile())).size(), eventCount - 2);
  ASSERT_EQ(log->epochs().size(), 1u);
  EXPECT_EQ(log->epochs()[0].step, 10u);
  EXPECT_EQ(log->epochs()[0].valAccuracy, 0.875);
  ASSERT_TRUE(succeeds(log->step({12, 0.125f, {}})));
  ASSERT_TRUE(succeeds(log->sync()));
  EXPECT_EQ(readText(path + "/metrics.jsonl"), json + "{\"step\": 12, \"loss\": 0.125}\n");
  std::vector<Event> events = decodeEvents(readText(eventFile()));
  EXPECT_EQ(events.size(), eventCount - 1);
  EXPECT_EQ(events.back().step, 12u);
  EXPECT_EQ(log->counters().jsonRows, counters.jsonRows + 1);
}

TEST_F(RunTest, ResumeWithoutTheFilesStartsNewOnes) {
  ASSERT_TRUE(makeFolders(path + "/checkpoints"));
  Expected<MetricsLog> log = MetricsLog::open(open(RunMode::Resume), {10, 3, 14});
  ASSERT_TRUE(succeeds(log));
  ASSERT_TRUE(succeeds(log->epoch(epochRow(4))));
  EXPECT_EQ(log->counters().csvRows, 1u);
  EXPECT_EQ(readText(path + "/metrics.csv").substr(0, 10), "epoch,step");
}

TEST_F(RunTest, ResumeRefusesACsvThatIsNone) {
  ASSERT_TRUE(makeFolders(path + "/checkpoints"));
  for (const char *row : {"1,2,3", "1,2,x,,,1,1,1", "1,2,,,,1,1,1", "-1,2,1,,,1,1,1"}) {
    writeText(path + "/metrics.csv", std::string("epoch,...\n") + row + "\n");
    EXPECT_TRUE(failsWith(MetricsLog::open(open(RunMode::Resume), {0, 1, 0}),
                          ExitCode::CheckpointInvalid, "metrics.csv':2 is not a row of metrics"));
  }
}

TEST_F(RunTest, DamagedEventsAreCutAtTheDamage) {
  std::string content = eventFileHeader(1) + eventRecord(2, 3, {{"a", 4}});
  uint64_t first = eventFileHeader(1).size();
  EXPECT_EQ(measureEventRecords(content, 9), std::pair(uint64_t(content.size()), uint64_t(2)));
  for (size_t size = first; size < content.size(); ++size)
    EXPECT_EQ(measureEventRecords(content.substr(0, size), 9), std::pair(first, uint64_t(1)));
  for (size_t place = first; place < content.size(); ++place) {
    std::string altered = content;
    altered[place] ^= 4;
    EXPECT_EQ(measureEventRecords(altered, 9).second, 1u) << place;
  }
}

TEST_F(RunTest, FullDiskIsAnIoError) {
  Expected<MetricsLog> log = MetricsLog::open(open());
  ASSERT_TRUE(succeeds(log));
  ASSERT_TRUE(succeeds(log->epoch(epochRow(1))));
  // A limit on the size of files stands in for a full disk.
  auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit small{200, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  Status status = log->epoch(epochRow(2));
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  EXPECT_TRUE(failsWith(status, ExitCode::IoError, "metrics.jsonl': File too large"));
}

TEST_F(RunTest, Summary) {
  RunFolder run = open();
  RunSummary summary;
  summary.model = "m\"";
  summary.params = 118666;
  summary.testAccuracy = 0.8831;
  ASSERT_TRUE(succeeds(writeSummary(run, summary)));
  nlohmann::json json = nlohmann::json::parse(readText(path + "/summary.json"));
  EXPECT_EQ(json["model"], "m\"");
  EXPECT_EQ(json["params"], 118666);
  EXPECT_EQ(json["test_accuracy"], 0.8831);
  EXPECT_TRUE(json["best_val_accuracy"].is_null());
}

} // namespace
