// What every device must do. A new device is one more name in Kinds (and has host memory or uses
// the copies).
#include "test/runtime/device/DeviceTesting.h"

#include "runtime/plan/KernelAbi.h"

#include <algorithm>
#include <atomic>
#include <numeric>

using namespace danaus;
using namespace danaus::test;

namespace {

const char *const Kinds[] = {"cpu", "null"};

class Conformance : public testing::TestWithParam<const char *> {
protected:
  std::unique_ptr<Device> device = makeDevice(GetParam());
  std::vector<std::byte> bytes = readCode(TEST_KERNELS);

  std::unique_ptr<Code> loadCode() { return must(device->loadCode(bytes, "baseline")); }
  Error errorOf(Arena &arena, const ProgramSpec &program) {
    std::unique_ptr<Code> code = loadCode();
    Expected<std::unique_ptr<Executable>> loaded = device->loadProgram(arena, *code, program);
    return loaded ? Error(ExitCode::Done, "it was accepted") : loaded.takeError();
  }
};

TEST_P(Conformance, DescribesItself) {
  EXPECT_EQ(device->kind(), GetParam());
  EXPECT_EQ(device->target(), "cpu");
  EXPECT_FALSE(device->description().empty());
  EXPECT_GE(device->threads(), 1u);
  EXPECT_GT(device->memoryBytes(), uint64_t(1) << 20);
  std::vector<std::string> isas = device->isas();
  EXPECT_EQ(isas.back(), "baseline");
}

TEST_P(Conformance, ArenaIsAlignedAndZero) {
  for (uint64_t size : {uint64_t(0), uint64_t(1), uint64_t(100), uint64_t(4097), uint64_t(2) << 20,
                        (uint64_t(5) << 20) + 123}) {
    auto arena = must(device->allocateArena(size));
    EXPECT_EQ(arena->bytes(), size);
    if (arena->host()) {
      EXPECT_EQ(uintptr_t(arena->host()) % ArenaAlignment, 0u);
    }
    std::vector<std::byte> content(size, std::byte(7));
    ASSERT_TRUE(device->copyOut(*arena, 0, content));
    EXPECT_EQ(std::ranges::count(content, std::byte(0)), ptrdiff_t(size));
  }
}

TEST_P(Conformance, CopiesThereAndBack) {
  auto arena = must(device->allocateArena(1000));
  std::vector<uint8_t> out(300), in(300);
  std::iota(in.begin(), in.end(), 1);
  ASSERT_TRUE(device->copyIn(*arena, 700, std::as_bytes(std::span(in))));
  ASSERT_TRUE(device->copyOut(*arena, 700, std::as_writable_bytes(std::span(out))));
  EXPECT_EQ(in, out);
  ASSERT_TRUE(device->copyIn(*arena, 1000, {}));
}

TEST_P(Conformance, CopiesOutsideAreRefused) {
  auto arena = must(device->allocateArena(1000));
  std::vector<std::byte> data(300);
  for (uint64_t offset : {uint64_t(701), uint64_t(1001), ~uint64_t(0), ~uint64_t(0) - 299}) {
    Status in = device->copyIn(*arena, offset, data), out = device->copyOut(*arena, offset, data);
    ASSERT_FALSE(in);
    ASSERT_FALSE(out);
    EXPECT_EQ(in.error().code(), ExitCode::Internal);
    EXPECT_NE(out.error().message().find("leaves the arena of 1000 bytes"), std::string::npos);
  }
}

TEST_P(Conformance, TooLargeAnArenaSaysHowLarge) {
  for (uint64_t size : {uint64_t(1) << 60, ~uint64_t(0), device->memoryBytes() + 1}) {
    auto arena = device->allocateArena(size);
    ASSERT_FALSE(arena);
    EXPECT_EQ(arena.error().code(), ExitCode::DeviceUnavailable);
    EXPECT_NE(arena.error().message().find(std::to_string(size) + " bytes"), std::string::npos);
  }
}

TEST_P(Conformance, CountsLaunches) {
  auto arena = must(device->allocateArena(4096));
  auto code = loadCode();
  ProgramSpec program{{{"count_tiles", 5, 0, 1}}, {{{0, {0}}, {0, {64}}}, {}, {{0, {128}}}}};
  auto executable = must(device->loadProgram(*arena, *code, program));
  EXPECT_EQ(executable->launchCount(), 0u);
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(device->submit(*executable));
  ASSERT_TRUE(device->synchronize());
  EXPECT_EQ(executable->launchCount(), 6u);
}

TEST_P(Conformance, TimesLaunchesOnlyWhenAsked) {
  auto arena = must(device->allocateArena(4096));
  auto code = loadCode();
  ProgramSpec program{{{"count_tiles", 5, 0, 1}}, {{{0, {0}}}, {{0, {128}}}}};
  auto executable = must(device->loadProgram(*arena, *code, program));
  EXPECT_TRUE(executable->launchSums().empty());
  executable->setTiming(Timing::On);
  ASSERT_TRUE(device->submit(*executable));
  EXPECT_EQ(executable->launchSums().size(), 2u);
  executable->setTiming(Timing::Off);
  auto sums = executable->launchSums();
  ASSERT_TRUE(device->submit(*executable));
  EXPECT_EQ(executable->launchSums(), sums);
  executable->setTiming(Timing::On);
  EXPECT_EQ(executable->launchSums(), std::vector<LaunchSums>(2));
}

TEST_P(Conformance, ProgramsOutOfRangeAreRefused) {
  auto arena = must(device->allocateArena(128));
  std::vector<KernelSpec> kernels = {{"count_tiles", 5, 0, 1}};
  struct Case {
    ProgramSpec program;
    const char *message;
  };
  for (const Case &wrong : {Case{{kernels, {{{1, {0}}}}}, "kernel 1, but there are only 1"},
                            Case{{kernels, {{{0, {0, 0}}}}}, "takes 1 buffers, a launch has 2"},
                            Case{{kernels, {{{0, {128}}}}}, "gets offset 128"},
                            Case{{kernels, {{{0, {4}}}}}, "not aligned"},
                            Case{{{{"count_tiles", 0, 0, 1}}, {}}, "has no tiles"}}) {
    Error error = errorOf(*arena, wrong.program);
    EXPECT_EQ(error.code(), ExitCode::CheckpointInvalid);
    EXPECT_NE(error.message().find(wrong.message), std::string::npos) << error.message();
  }
}

TEST_P(Conformance, ParallelForCallsEachIndexOnce) {
  for (uint64_t n : {0, 1, 3, 1000}) {
    std::vector<std::atomic<int>> calls(n);
    device->parallelFor(n, [&](uint64_t i) { ++calls[i]; });
    for (const auto &count : calls)
      ASSERT_EQ(count, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, Conformance, testing::ValuesIn(Kinds),
                         [](const auto &info) { return std::string(info.param); });

TEST(DeviceRegistry, KnowsItsDevices) {
  std::vector<std::string> names;
  for (const DeviceRow &row : describeDevices()) {
    names.push_back(row.name);
    EXPECT_TRUE(row.available || row.name == "cuda" || row.name == "vgpu");
    EXPECT_FALSE(row.available ? row.description.empty() : row.whyNot.empty());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"cpu", "cuda", "vgpu", "null"}));
}

TEST(DeviceRegistry, RefusesWhatItDoesNotKnow) {
  auto unknown = builtinDevices().create("abacus:3");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), ExitCode::Usage);
  EXPECT_NE(unknown.error().message().find("'abacus:3'; this build knows cpu, cuda, vgpu, null"),
            std::string::npos);
  for (const char *kind : Kinds) {
    auto argument = builtinDevices().create(std::string(kind) + ":1");
    ASSERT_FALSE(argument);
    EXPECT_NE(argument.error().message().find("takes no argument"), std::string::npos);
  }
}

} // namespace
