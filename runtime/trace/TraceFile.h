// The trace event format that Perfetto and chrome://tracing open: a process for each rank, a track
// for each of its threads, spans as complete events ("X"), times in microseconds.
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#pragma once

#include "runtime/base/Status.h"
#include "runtime/trace/Recorder.h"

namespace danaus::trace {

/// The most that a file may have, all ranks together.
constexpr uint64_t MostBytes = 50'000'000;

/// What a rank's spans add up to, in milliseconds of the whole recording.
struct Totals {
  uint64_t steps = 0;
  double step = 0;  ///< time in steps
  double input = 0; ///< of it: waiting for a batch
  /// Of it: the host waits for sums over ranks; or they run on a device, and none of its kernels.
  double exposed = 0;
  double communication = 0; ///< of the sums, hidden or not
};
Totals totalsOf(const Recording &recording);

/// The events of a rank, separated by commas. Later spans are left out where there would be more
/// than `most` bytes; `leftOut` counts them and those that the recorder lost.
std::string eventsOf(const Recording &recording, unsigned rank, uint64_t most, uint64_t &leftOut);

/// A file with the events of all ranks; `recording`: of rank 0, for what it adds up to.
std::string traceFile(const std::vector<std::string> &eventsOfRanks, const Recording &recording,
                      uint64_t leftOut);

} // namespace danaus::trace
