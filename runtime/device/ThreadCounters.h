// What a processor counts while a thread runs (cycles, cache misses, page faults). A device reads
// the counts around each launch and adds up the differences; what they are, and where they come
// from, it does not know (runtime/profile/Counters.h does).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace danaus {

class ThreadCounters {
public:
  static constexpr size_t Most = 3;
  using Counts = std::array<uint64_t, Most>;

  virtual ~ThreadCounters() = default;
  /// What the calling thread, number `thread` of the device's, has counted so far: numbers that
  /// only grow. Threads call it beside one another, each for itself; it costs what it measures.
  virtual Counts read(unsigned thread) = 0;
};

} // namespace danaus
