// What Linux counts for a thread (perf_event_open): a processor's cycles, instructions and cache
// misses where the machine has such counters and this user may read them; else what the kernel
// itself counts. Only what the threads do in user mode is counted, faults in it included.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/device/ThreadCounters.h"

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace danaus {

enum class CounterSet { Hardware, Software };

/// Places in ThreadCounters::Counts.
namespace hardware_counter {
inline constexpr size_t Cycles = 0, Instructions = 1, CacheMisses = 2;
}
namespace software_counter {
inline constexpr size_t PageFaults = 0, TaskClock = 1, ContextSwitches = 2;
}

/// Bytes that a miss of the last-level cache brings from memory.
inline constexpr uint64_t CacheLineBytes = 64;

/// In JSON and CSV, by place: "cycles", ...; "page_faults", ...
const std::array<const char *, ThreadCounters::Most> &counterNames(CounterSet set);

class PerfCounters final : public ThreadCounters {
public:
  /// For a device with `threads` threads. DeviceUnavailable says why there are none and what to do.
  static Expected<std::unique_ptr<PerfCounters>> open(CounterSet set, unsigned threads);
  ~PerfCounters() override;

  CounterSet set() const { return which; }
  /// Whether a place is counted: some machines have cycles and no cache misses.
  bool has(size_t place) const { return places[place].isThere; }

  Counts read(unsigned thread) override;
  /// Why a thread could not read, if one could not: its counts stay zero then.
  Status status() const;

private:
  struct Place {
    bool isThere = false;
    size_t value = 0; ///< in what a read of the group answers
  };
  /// The events of a thread, opened by itself when it first reads.
  struct alignas(64) Group {
    int leader = -1;
    std::vector<int> members;
    bool isTried = false;
  };

  PerfCounters(CounterSet set, unsigned threads) : which(set), groups(threads) {}
  /// The first failure's errno; 0 where at least the leader is open. `places` are set by the first.
  int openGroup(Group &group, std::array<Place, Most> *into);

  CounterSet which;
  std::array<Place, Most> places;
  std::vector<Group> groups;
  std::atomic<int> failure = 0; ///< errno of a thread that could not
};

/// What a user can do about the errno of perf_event_open. `paranoid`: the content of
/// /proc/sys/kernel/perf_event_paranoid, empty where it cannot be read.
std::string whyNoCounters(CounterSet set, int error, const std::string &paranoid);

} // namespace danaus
