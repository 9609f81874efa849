// Times of what runs on a GPU's streams, for the trace recorder: CUPTI's activities where they can
// be had, else CUDA events around each operation, which then run one by one. A track per stream.
#pragma once

#include "runtime/device/cuda/Cupti.h"
#include "runtime/trace/Recorder.h"

#include <map>
#include <memory>

namespace danaus::cuda {

class GpuTrace {
public:
  GpuTrace(const Driver &driver, int ordinal) : driver(driver), ordinal(ordinal) {}
  ~GpuTrace();
  GpuTrace(const GpuTrace &) = delete;

  /// Before a recording, when all streams are idle; `work`: the stream of the kernels.
  Status begin(CUcontext context, CUstream work);
  /// Before the end of a recording, when all is done. Answers whence the times are: "CUPTI 13.0",
  /// "CUDA events: CUPTI, beginning to record: ...".
  Expected<std::string> end();

  /// What a stream is for, "input copies", which is what its track is called; it must be forgotten
  /// before it is destroyed.
  void nameStream(CUstream stream, const std::string &purpose) { streams[stream] = purpose; }
  void forgetStream(CUstream stream) { streams.erase(stream); }
  /// What a kernel of this symbol computes; several things: nothing is known of it.
  void nameKernel(const std::string &symbol, const std::string &label);

  /// A graph of kernels has been launched: CUPTI should tell of them.
  void noteGraph() { isExpectingKernels = source == Source::Cupti; }
  /// Whether operations must come one by one with a StreamSpan around each.
  bool usesEvents() const { return source == Source::Events && trace::isOn(); }
  /// Hands what is over to the recorder; after a synchronize of all streams.
  Status collect();

private:
  friend class StreamSpan;
  enum class Source { None, Cupti, Events };
  /// An operation between two events.
  struct Pending {
    std::string purpose; ///< of its stream
    uint32_t name;
    trace::Kind kind;
    CUevent begin, end;
  };

  Status check(int result) const { return driver.check(result, "tracing the GPU"); }
  Status setAnchor();
  Status collectEvents();
  Status collectActivities();
  Status useEvents(const std::string &why);
  CUevent mark(CUstream stream);
  int timeOf(CUevent event, uint64_t &time) const;
  std::string purposeOf(CUstream stream) const;
  void addActivity(const Activity &activity, const std::string &purpose);
  uint32_t freeTrack(const std::string &purpose, uint64_t begin, uint64_t end);

  const Driver &driver;
  int ordinal;
  CUcontext context = nullptr;
  CUstream work = nullptr;
  Source source = Source::None;
  std::string whyEvents;
  std::map<CUstream, std::string> streams;    ///< purposes
  std::map<std::string, std::string> kernels; ///< labels by symbol
  /// Where the tracks of a purpose end so far: kernels of a graph run beside one another.
  std::map<std::string, std::vector<uint64_t>> ends;

  std::unique_ptr<Cupti> cupti;
  bool isExpectingKernels = false;
  unsigned graphsWithoutKernels = 0; ///< one after another

  CUevent anchor = nullptr; ///< took place at anchorTime of the recorder's clock
  uint64_t anchorTime = 0;
  std::vector<CUevent> unused;
  std::vector<Pending> pending;
  int failure = Success; ///< the first one
};

/// Around one operation, submitted to a stream by this thread. Costs a test where no trace is
/// taken by events.
class StreamSpan {
public:
  StreamSpan(GpuTrace &owner, CUstream stream, trace::Kind kind, std::string_view name);
  ~StreamSpan();
  StreamSpan(const StreamSpan &) = delete;

private:
  GpuTrace *owner;
  CUstream stream;
  trace::Kind kind;
  uint32_t name = 0;
  CUevent begin = nullptr;
};

} // namespace danaus::cuda
