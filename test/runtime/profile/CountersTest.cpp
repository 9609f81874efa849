// Counts of threads. Virtual machines have no counters of the processor: what the kernel counts
// goes the same way, and is there everywhere.
#include "runtime/profile/Counters.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <thread>

using namespace danaus;

namespace {

/// Touches fresh pages.
void fault(size_t pages) {
  size_t bytes = pages * 4096;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < pages; ++i)
    static_cast<volatile char *>(memory)[4096 * i] = 1;
  munmap(memory, bytes);
}

} // namespace

TEST(PerfCounters, CountOfEachThreadWhatItDoes) {
  using namespace software_counter;
  auto counters = PerfCounters::open(CounterSet::Software, 2);
  if (!counters)
    GTEST_SKIP() << counters.error().message();
  ASSERT_TRUE((*counters)->has(TaskClock));
  ASSERT_TRUE((*counters)->has(PageFaults));
  auto before = (*counters)->read(0);
  ThreadCounters::Counts otherBefore, other;
  std::thread([&] {
    otherBefore = (*counters)->read(1);
    fault(300);
    other = (*counters)->read(1);
  }).join();
  auto between = (*counters)->read(0);
  fault(700);
  auto after = (*counters)->read(0);
  EXPECT_GE(other[PageFaults] - otherBefore[PageFaults], 300u);
  EXPECT_LT(between[PageFaults] - before[PageFaults], 300u); // the other thread's are not ours
  EXPECT_GE(after[PageFaults] - between[PageFaults], 700u);
  EXPECT_LT(after[PageFaults] - between[PageFaults], 1000u);
  EXPECT_GT(after[TaskClock], before[TaskClock]);
  EXPECT_TRUE(bool((*counters)->status()));
}

TEST(PerfCounters, OfTheProcessorCountOrSayWhyNot) {
  auto counters = PerfCounters::open(CounterSet::Hardware, 1);
  if (!counters) {
    EXPECT_EQ(counters.error().code(), ExitCode::DeviceUnavailable);
    EXPECT_FALSE(counters.error().message().empty());
    return;
  }
  auto before = (*counters)->read(0);
  fault(10);
  EXPECT_GT((*counters)->read(0)[hardware_counter::Cycles], before[hardware_counter::Cycles]);
}

TEST(PerfCounters, MessagesSayWhatToDo) {
  auto expect = [](CounterSet set, int error, const char *paranoid, const char *part) {
    std::string text = whyNoCounters(set, error, paranoid);
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect(CounterSet::Hardware, ENOENT, "2", "--counters software");
  expect(CounterSet::Hardware, EOPNOTSUPP, "2", "virtual machine");
  expect(CounterSet::Hardware, EACCES, "3", "sysctl kernel.perf_event_paranoid=2");
  expect(CounterSet::Software, EPERM, "1", "--cap-add=PERFMON");
  expect(CounterSet::Hardware, EPERM, "", "--cap-add=PERFMON");
  expect(CounterSet::Hardware, ENOSYS, "2", "without perf_event_open");
  expect(CounterSet::Hardware, EMFILE, "2", "ulimit -n");
  expect(CounterSet::Hardware, EBUSY, "2", "another program");
  expect(CounterSet::Hardware, EINVAL, "2", "Invalid argument");
}
