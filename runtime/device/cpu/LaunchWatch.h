// Who is asked to watch a program run: times of launches, counts, traces. One reading of the clock
// for all of them, when a thread goes from the tiles of one launch to those of another.
#pragma once

#include "runtime/device/Device.h"
#include "runtime/trace/Recorder.h"

#include <vector>

namespace danaus {

/// [launch], of one thread; apart from those of other threads, which write beside it.
struct alignas(64) ThreadSums {
  std::vector<LaunchSums> launches;
};

/// A thread's way through a program.
class LaunchWatch {
public:
  /// `sums`: null: none are wanted; `counters`: null: times alone.
  LaunchWatch(unsigned thread, ThreadSums *sums, ThreadCounters *counters)
      : thread(thread), sinks(trace::sinks()), sums(sums), counters(counters) {}

  /// The thread goes on with launch `index`, called `name`; NoLaunch: it waits for the others.
  void change(size_t index, uint32_t name) {
    if (index == open)
      return;
    uint64_t now = trace::now();
    ThreadCounters::Counts counts = {};
    if (counters)
      counts = counters->read(thread);
    if (open != NoLaunch)
      close(now, counts);
    if (index != NoLaunch && (sinks & trace::NvtxSink))
      trace::detail::pushRange(name);
    open = index;
    openName = name;
    begin = now;
    before = counts;
  }
  static constexpr size_t NoLaunch = ~size_t(0);

private:
  void close(uint64_t now, const ThreadCounters::Counts &counts) {
    if (sums) {
      LaunchSums &own = sums->launches[open];
      own.nanoseconds += now - begin;
      for (size_t i = 0; i < counts.size(); ++i)
        own.counts[i] += counts[i] - before[i];
    }
    if (sinks & trace::NvtxSink)
      trace::detail::popRange();
    if (sinks & trace::RecorderSink)
      trace::add(trace::Kind::Kernel, openName, begin, now);
  }

  unsigned thread;
  unsigned sinks;
  ThreadSums *sums;
  ThreadCounters *counters;
  size_t open = NoLaunch;
  uint32_t openName = 0;
  uint64_t begin = 0;
  ThreadCounters::Counts before = {};
};

} // namespace danaus
