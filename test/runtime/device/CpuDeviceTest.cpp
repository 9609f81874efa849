// What the CPU device computes: every tile once, stages in order, scratch of its own, for any
// number of threads; and what it says about code that it cannot load.
#include "test/runtime/device/DeviceTesting.h"

#include <algorithm>

using namespace danaus;
using namespace danaus::test;

namespace {

constexpr size_t Tiles = 256;
constexpr uint64_t Block = Tiles * sizeof(int32_t);

class CpuThreads : public testing::TestWithParam<unsigned> {
protected:
  std::unique_ptr<Device> device = makeDevice("cpu", GetParam());
  std::unique_ptr<Arena> arena = must(device->allocateArena(8 * Block));
  std::unique_ptr<Code> code = must(device->loadCode(readCode(TEST_KERNELS), "baseline"));

  std::unique_ptr<Executable> load(const ProgramSpec &program) {
    return must(device->loadProgram(*arena, *code, program));
  }
};

TEST_P(CpuThreads, RunsEachTileOnce) {
  ASSERT_EQ(device->threads(), GetParam());
  ProgramSpec program{{{"count_tiles", Tiles, 0, 1}, {"count_tiles", 1, 0, 1}},
                      {{{0, {0}}, {1, {Block}}, {0, {2 * Block}}}, {{0, {3 * Block}}}}};
  auto executable = load(program);
  constexpr int Repeats = 50;
  for (int i = 0; i < Repeats; ++i)
    ASSERT_TRUE(device->submit(*executable));
  EXPECT_EQ(std::ranges::count(ints(*arena, 0, Tiles), Repeats), ptrdiff_t(Tiles));
  EXPECT_EQ(ints(*arena, Block, 1)[0], Repeats);
  EXPECT_EQ(std::ranges::count(ints(*arena, Block, Tiles), 0), ptrdiff_t(Tiles - 1));
  EXPECT_EQ(std::ranges::count(ints(*arena, 2 * Block, 2 * Tiles), Repeats), ptrdiff_t(2 * Tiles));
}

TEST_P(CpuThreads, StagesAreInOrder) {
  ProgramSpec program{{{"count_tiles", Tiles, 0, 1}, {"add_sum", Tiles, 0, 2}}, {}};
  program.stages = {{{0, {0}}}, {{1, {0, Block}}}, {{1, {Block, 2 * Block}}}};
  auto executable = load(program);
  for (int32_t step = 1; step <= 50; ++step) {
    ASSERT_TRUE(device->submit(*executable));
    int32_t second = step + step * int32_t(Tiles), third = second + second * int32_t(Tiles);
    ASSERT_EQ(std::ranges::count(ints(*arena, Block, Tiles), second), ptrdiff_t(Tiles));
    ASSERT_EQ(std::ranges::count(ints(*arena, 2 * Block, Tiles), third), ptrdiff_t(Tiles));
  }
}

TEST_P(CpuThreads, ScratchIsPrivateAndAligned) {
  auto executable = load({{{"use_scratch", Tiles, 1000, 1}}, {{{0, {0}}}}});
  ASSERT_TRUE(device->submit(*executable));
  EXPECT_EQ(std::ranges::count(ints(*arena, 0, Tiles), 1), ptrdiff_t(Tiles));
}

TEST_P(CpuThreads, TwoProgramsOnOneArena) {
  auto first = load({{{"count_tiles", Tiles, 0, 1}}, {{{0, {0}}}}});
  auto second = load({{{"add_sum", Tiles, 2000, 2}}, {{{0, {0, Block}}}}});
  ASSERT_TRUE(device->submit(*first));
  ASSERT_TRUE(device->submit(*second));
  EXPECT_EQ(std::ranges::count(ints(*arena, Block, Tiles), 1 + int32_t(Tiles)), ptrdiff_t(Tiles));
  ASSERT_TRUE(device->submit(*first));
  EXPECT_EQ(ints(*arena, 0, 1)[0], 2);
}

TEST_P(CpuThreads, TimesTheWorkOfAllThreads) {
  auto executable = load({{{"use_scratch", Tiles, 1000, 1}}, {{{0, {0}}}}});
  executable->setTiming(Timing::On);
  ASSERT_TRUE(device->submit(*executable));
  ASSERT_EQ(executable->launchSums().size(), 1u);
  EXPECT_GT(executable->launchSums()[0].nanoseconds, 0u);
}

/// Counts by 1, 10 and 100 at each reading, and notes who reads.
class FakeCounters final : public ThreadCounters {
public:
  explicit FakeCounters(unsigned threads) : readings(threads), readers(threads) {}
  Counts read(unsigned thread) override {
    uint64_t now = ++readings[thread];
    readers[thread] = std::this_thread::get_id();
    return {now, 10 * now, 100 * now};
  }
  std::vector<uint64_t> readings;
  std::vector<std::thread::id> readers;
};

/// A thread reads when it begins a launch's tiles and when it has done them: however many tiles it
/// takes, the launch gets the difference once.
TEST_P(CpuThreads, ReadsCountersAroundTheTilesOfALaunch) {
  FakeCounters counters(GetParam());
  auto executable = load({{{"use_scratch", Tiles, 1000, 1}}, {{{0, {0}}}, {{0, {0}}}}});
  executable->setTiming(Timing::On, &counters);
  ASSERT_TRUE(device->submit(*executable));
  executable->setTiming(Timing::Off);
  uint64_t readings = 0, counted = 0;
  for (unsigned thread = 0; thread < GetParam(); ++thread) {
    EXPECT_EQ(counters.readings[thread] % 2, 0u);
    readings += counters.readings[thread];
    for (unsigned other = 0; other < thread; ++other)
      if (counters.readings[thread] && counters.readings[other])
        EXPECT_TRUE(counters.readers[thread] != counters.readers[other]);
  }
  EXPECT_LE(readings, 4 * GetParam()); // per launch, not per tile
  for (const LaunchSums &sums : executable->launchSums()) {
    EXPECT_GE(sums.counts[0], 1u); // a thread at least took part
    EXPECT_LE(sums.counts[0], GetParam());
    EXPECT_EQ(sums.counts[1], 10 * sums.counts[0]);
    EXPECT_EQ(sums.counts[2], 100 * sums.counts[0]);
    counted += sums.counts[0];
  }
  EXPECT_EQ(2 * counted, readings);
  ASSERT_TRUE(device->submit(*executable)); // off: nobody reads
  uint64_t after = 0;
  for (uint64_t own : counters.readings)
    after += own;
  EXPECT_EQ(after, readings);
}

TEST_P(CpuThreads, AProgramWithoutWorkReturns) {
  auto executable = load({{}, {{}, {}}});
  EXPECT_TRUE(device->submit(*executable));
  EXPECT_EQ(executable->launchCount(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Threads, CpuThreads, testing::Values(1u, 2u, 7u));

Error codeError(std::span<const std::byte> bytes, std::string_view isa = "baseline") {
  auto code = makeDevice("cpu", 1)->loadCode(bytes, isa);
  return code ? Error(ExitCode::Done, "it was accepted") : code.takeError();
}

TEST(CpuCode, BytesThatAreNoSharedObjectAreRefused) {
  std::vector<std::byte> junk(1000, std::byte('x'));
  EXPECT_NE(codeError(junk).message().find("not a shared object"), std::string::npos);
  EXPECT_NE(codeError({}).message().find("not a shared object"), std::string::npos);
  std::vector<std::byte> header = readCode(TEST_KERNELS);
  header.resize(64);
  Error error = codeError(header);
  EXPECT_EQ(error.code(), ExitCode::CheckpointInvalid);
  EXPECT_NE(error.message().find("cannot be loaded"), std::string::npos);
  EXPECT_NE(error.message().find("compile it again"), std::string::npos);
}

TEST(CpuCode, UnknownIsaIsRefused) {
  Error error = codeError(readCode(TEST_KERNELS), "mmx");
  EXPECT_EQ(error.code(), ExitCode::DeviceUnavailable);
  EXPECT_NE(error.message().find("'mmx'"), std::string::npos);
}

TEST(CpuCode, MissingSymbolIsNamed) {
  auto device = makeDevice("cpu", 1);
  auto arena = must(device->allocateArena(64));
  auto code = must(device->loadCode(readCode(TEST_KERNELS), "baseline"));
  auto program = device->loadProgram(*arena, *code, {{{"no_such_kernel", 1, 0, 0}}, {}});
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code(), ExitCode::CheckpointInvalid);
  EXPECT_NE(program.error().message().find("no kernel no_such_kernel"), std::string::npos);
}

// The dynamic linker knows libraries by path: two of them must not be taken for one another,
// whether they are loaded at once or one after the other.
TEST(CpuCode, TwoLibrariesStayApart) {
  auto device = makeDevice("cpu", 1);
  auto arena = must(device->allocateArena(64));
  auto count = [&](const Code &code) {
    auto program =
        must(device->loadProgram(*arena, code, {{{"count_tiles", 1, 0, 1}}, {{{0, {0}}}}}));
    EXPECT_TRUE(device->submit(*program));
    return ints(*arena, 0, 1)[0];
  };
  {
    auto one = must(device->loadCode(readCode(TEST_KERNELS), "baseline"));
    auto hundred = must(device->loadCode(readCode(TEST_OTHER_KERNELS), "baseline"));
    EXPECT_EQ(count(*one), 1);
    EXPECT_EQ(count(*hundred), 101);
  }
  auto hundred = must(device->loadCode(readCode(TEST_OTHER_KERNELS), "baseline"));
  EXPECT_EQ(count(*hundred), 201);
}

TEST(CpuDevice, TooManyThreadsAreRefused) {
  auto device = builtinDevices().create("cpu", {100'000});
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code(), ExitCode::Usage);
  EXPECT_NE(device.error().message().find("1 to 1024"), std::string::npos);
}

TEST(CpuDevice, ScratchBeyondMemoryIsRefused) {
  auto device = makeDevice("cpu", 1);
  auto arena = must(device->allocateArena(64));
  auto code = must(device->loadCode(readCode(TEST_KERNELS), "baseline"));
  auto program =
      device->loadProgram(*arena, *code, {{{"count_tiles", 1, uint64_t(1) << 60, 1}}, {}});
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code(), ExitCode::DeviceUnavailable);
  EXPECT_NE(program.error().message().find("scratch"), std::string::npos);
}

} // namespace
