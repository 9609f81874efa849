// TensorBoard's event files, read as TensorBoard reads them: records with masked CRCs around
// messages that protobuf itself decodes.
#include "runtime/run/MetricsLog.h"
#include "test/runtime/run/event.pb.h"
#include "test/runtime/support/TempFolder.h"

#include <cstring>
#include <filesystem>

using namespace danaus;
using namespace danaus::test;
using tensorboard::Event;

namespace {

/// CRC-32C bit by bit, so that the product's own is not its judge.
uint32_t slowCrc(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (char byte : bytes) {
    crc ^= uint8_t(byte);
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

uint32_t masked(std::string_view bytes) {
  uint32_t crc = slowCrc(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

template <typename T> T at(std::string_view bytes, size_t offset) {
  T value = {};
  if (offset + sizeof(T) <= bytes.size())
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

std::vector<Event> decode(std::string_view content) {
  std::vector<Event> events;
  while (!content.empty()) {
    uint64_t length = at<uint64_t>(content, 0);
    if (length > content.size() || length + 16 > content.size()) {
      ADD_FAILURE() << "a record is cut";
      return events;
    }
    EXPECT_EQ(at<uint32_t>(content, 8), masked(content.substr(0, 8)));
    EXPECT_EQ(at<uint32_t>(content, 12 + length), masked(content.substr(12, length)));
    Event event;
    EXPECT_TRUE(event.ParseFromArray(content.data() + 12, int(length)));
    // Nothing beyond the fields of the definition: written again it is as long.
    EXPECT_EQ(event.ByteSizeLong(), length);
    events.push_back(event);
    content.remove_prefix(length + 16);
  }
  return events;
}

std::map<std::string, float> scalars(const Event &event) {
  std::map<std::string, float> values;
  for (const auto &value : event.summary().value())
    values[value.tag()] = value.simple_value();
  return values;
}

std::string eventFileIn(const std::string &folder) {
  for (const auto &entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("events.out.tfevents."))
      return entry.path().string();
  return {};
}

TEST(Events, TheCrcOfTheTestIsCrc32c) { EXPECT_EQ(slowCrc("123456789"), 0xe3069283u); }

TEST(Events, ProtobufReadsWhatWasLogged) {
  TempFolder folder;
  std::string path = folder / "run";
  Expected<RunFolder> run = RunFolder::open(path, RunMode::Fresh);
  ASSERT_TRUE(succeeds(run));
  Expected<MetricsLog> log = MetricsLog::open(*run);
  ASSERT_TRUE(succeeds(log));
  ASSERT_TRUE(succeeds(log->step({1, 2.5f, 0.75f, {}})));
  ASSERT_TRUE(succeeds(log->step({300, 1e-30f, {}, {}})));
  ASSERT_TRUE(succeeds(log->epoch({1, 1ull << 33, 0.5, 0.25, 0.875, 1e-3, 0.5, 98000})));
  ASSERT_TRUE(succeeds(log->sync()));

  std::vector<Event> events = decode(readText(eventFileIn(path)));
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].what_case(), Event::kFileVersion);
  EXPECT_EQ(events[0].file_version(), "brain.Event:2");
  for (const Event &event : events)
    EXPECT_GT(event.wall_time(), 1e9);
  EXPECT_EQ(events[1].step(), 1);
  EXPECT_EQ(scalars(events[1]).at("train/step_loss"), 2.5f);
  EXPECT_EQ(scalars(events[1]).at("train/grad_norm"), 0.75f);
  EXPECT_EQ(events[2].step(), 300);
  EXPECT_EQ(scalars(events[2]).at("train/step_loss"), 1e-30f);
  EXPECT_EQ(events[3].step(), 1ll << 33);
  std::map<std::string, float> epoch = scalars(events[3]);
  EXPECT_EQ(epoch.size(), 5u);
  EXPECT_EQ(epoch.at("val/accuracy"), 0.875f);
}

} // namespace
