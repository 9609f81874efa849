// Spans of time for a trace: who did what from when to when. One recorder a process, off until
// somebody starts it; while it is off, a span costs the load of a flag. Spans of scopes and kernels
// also go to NVTX where a tool listens (Nvtx.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace danaus::trace {

/// What a span is part of: its category in the file.
enum class Kind : uint8_t { Step, Kernel, Input, Communication, Wait, Launch, Copy };

/// Names of Kind::Wait: for a batch; for what was submitted to a device; for other ranks.
constexpr std::string_view WaitForInput = "wait for input", WaitForDevice = "wait for the GPU",
                           WaitForRanks[] = {"wait for all-reduce", "wait for reduce-scatter",
                                             "wait for all-gather"};

struct Span {
  uint32_t name; ///< of intern()
  Kind kind;
  uint64_t begin, end; ///< nanoseconds of the steady clock
};

/// The spans of a thread, in the order of their ends; or those of a track of a device.
struct ThreadSpans {
  std::string thread;
  std::vector<Span> spans;
  bool isOfDevice = false; ///< a track
};

struct Recording {
  uint64_t begin = 0, end = 0; ///< nanoseconds of the steady clock
  std::vector<ThreadSpans> threads;
  std::vector<std::string> names; ///< by Span::name
  std::string deviceTimes;        ///< whence those of tracks are; empty where there are none
  uint64_t lost = 0;              ///< spans beyond the room of their thread
};

/// Where spans go: bits of sinks().
inline constexpr unsigned RecorderSink = 1, NvtxSink = 2;

namespace detail {
inline std::atomic<unsigned> sinks = 0;
inline void addSink(unsigned which) { sinks |= which; }
void pushRange(uint32_t name);
void popRange();
void nameNvtxThread(const char *name);
} // namespace detail

inline unsigned sinks() { return detail::sinks.load(std::memory_order_relaxed); }
/// Whether the recorder is on.
inline bool isOn() { return sinks() & RecorderSink; }
/// Whether anybody wants spans.
inline bool isWatched() { return sinks() != 0; }

/// The number of a name, the same for the same text; for the life of the process.
uint32_t intern(std::string_view name);
/// The name of a number; lives as long as the process.
const char *textOf(uint32_t name);
uint64_t now();
/// What the calling thread is called in recordings; the first name stays.
void nameThread(std::string_view name);
/// Adds a span of the calling thread. Does nothing while the recorder is off.
void add(Kind kind, uint32_t name, uint64_t begin, uint64_t end);

/// The number of a track for what is done by no thread of ours: by a stream of a GPU. The same for
/// the same name; for the life of the process.
uint32_t openTrack(std::string_view name);
/// Adds a span of a track; cut where it begins before the recording. Does nothing while the
/// recorder is off.
void addTo(uint32_t track, Kind kind, uint32_t name, uint64_t begin, uint64_t end);

/// Forgets what was recorded before.
void start();
/// Takes what was recorded since start(). Spans that have not ended are not in it.
Recording stop();

/// The scope's time as a span.
class Scope {
public:
  Scope(Kind kind, std::string_view name) : kind(kind), wanted(sinks()) {
    if (!wanted)
      return;
    number = intern(name);
    if (wanted & NvtxSink)
      detail::pushRange(number);
    begin = now();
  }
  ~Scope() {
    if (wanted & NvtxSink)
      detail::popRange();
    if (wanted & RecorderSink)
      add(kind, number, begin, now());
  }
  Scope(const Scope &) = delete;

private:
  Kind kind;
  unsigned wanted; ///< sinks when it began
  uint32_t number = 0;
  uint64_t begin = 0;
};

} // namespace danaus::trace
