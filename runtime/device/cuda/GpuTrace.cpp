// See GpuTrace.h.
#include "runtime/device/cuda/GpuTrace.h"

#include <algorithm>
#include <utility>

namespace danaus::cuda {

namespace {

/// Events tell times in milliseconds of 24 bits: after a second they are worth 60 ns.
constexpr uint64_t anchorLife = 1'000'000'000;

std::string copyName(const Activity &activity) {
  return activity.copy == CopyToDevice ? "copy to the GPU"
         : activity.copy == CopyToHost ? "copy from the GPU"
                                       : "copy on the GPU";
}

} // namespace

GpuTrace::~GpuTrace() {
  for (const Pending &each : pending)
    unused.insert(unused.end(), {each.begin, each.end});
  if (anchor)
    unused.push_back(anchor);
  for (CUevent event : unused)
    if (event)
      (void)driver.eventDestroy(event);
}

std::string GpuTrace::purposeOf(CUstream stream) const {
  auto found = streams.find(stream);
  return found != streams.end() ? found->second : "others";
}

/// The first track of a purpose that has nothing else then.
uint32_t GpuTrace::freeTrack(const std::string &purpose, uint64_t begin, uint64_t end) {
  std::vector<uint64_t> &tracks = ends[purpose];
  size_t at = 0;
  while (at < tracks.size() && tracks[at] > begin)
    ++at;
  tracks.resize(std::max(tracks.size(), at + 1));
  tracks[at] = end;
  std::string name = format("GPU %d: ", ordinal) + purpose;
  return trace::openTrack(at == 0 ? name : name + format(" (%zu)", at + 1));
}

void GpuTrace::nameKernel(const std::string &symbol, const std::string &label) {
  auto [known, isNew] = kernels.try_emplace(symbol, label);
  if (!isNew && known->second != label)
    known->second = symbol;
}

Status GpuTrace::begin(CUcontext inContext, CUstream workStream) {
  context = inContext;
  work = workStream;
  isExpectingKernels = false;
  graphsWithoutKernels = 0;
  failure = Success;
  ends.clear();
  auto started = Cupti::start(driver);
  if (!started)
    return useEvents(started.error().message());
  cupti = std::move(*started);
  source = Source::Cupti;
  return Status::ok();
}

Status GpuTrace::useEvents(const std::string &why) {
  cupti.reset();
  whyEvents = why;
  source = Source::Events;
  return setAnchor();
}

/// The work stream is idle.
Status GpuTrace::setAnchor() {
  if (!anchor)
    if (Status status = check(driver.eventCreate(&anchor, 0)); !status)
      return status;
  if (Status status = check(driver.eventRecord(anchor, work)); !status)
    return status;
  Status status = check(driver.streamSynchronize(work));
  anchorTime = trace::now();
  return status;
}

Expected<std::string> GpuTrace::end() {
  Status status = collect();
  Source used = std::exchange(source, Source::None);
  std::string version = cupti ? cupti->version() : "";
  cupti.reset();
  if (!status)
    return status.takeError();
  return used == Source::Cupti    ? version
         : used == Source::Events ? "CUDA events: " + whyEvents
                                  : std::string();
}

Status GpuTrace::collect() {
  if (!trace::isOn() || source == Source::None)
    return Status::ok();
  return source == Source::Cupti ? collectActivities() : collectEvents();
}

Status GpuTrace::collectActivities() {
  std::vector<Activity> activities;
  Status status = cupti->take([&](const Activity &each) { activities.push_back(each); });
  if (!status)
    return status;
  bool hasKernels = std::ranges::any_of(
      activities, [](const Activity &each) { return each.kind == ActivityOfKernel; });
  if (std::exchange(isExpectingKernels, false))
    graphsWithoutKernels = hasKernels ? 0 : graphsWithoutKernels + 1;
  if (graphsWithoutKernels > 1) // of the first CUPTI may tell late
    return useEvents("CUPTI records no kernels here");
  std::ranges::sort(activities, {},
                    [](const Activity &each) { return std::pair(each.begin, each.end); });
  std::map<uint32_t, std::string> purposes; // by CUPTI's numbers
  for (const auto &[stream, purpose] : streams)
    if (auto id = cupti->idOf(context, stream))
      purposes[*id] = purpose;
  for (const Activity &each : activities) {
    auto found = purposes.find(each.streamId);
    // Branches of a graph run on streams that nobody has made.
    addActivity(each, found != purposes.end()         ? found->second
                      : each.kind == ActivityOfKernel ? purposeOf(work)
                                                      : "others");
  }
  return Status::ok();
}

void GpuTrace::addActivity(const Activity &activity, const std::string &purpose) {
  bool isKernel = activity.kind == ActivityOfKernel;
  std::string name = isKernel ? activity.kernel : copyName(activity);
  if (auto label = kernels.find(name); isKernel && label != kernels.end())
    name = label->second;
  trace::Kind kind = !isKernel                             ? trace::Kind::Copy
                     : activity.kernel.starts_with("nccl") ? trace::Kind::Communication
                                                           : trace::Kind::Kernel;
  trace::addTo(freeTrack(purpose, activity.begin, activity.end), kind, trace::intern(name),
               activity.begin, activity.end);
}

/// Null where it fails, which collect() tells.
CUevent GpuTrace::mark(CUstream stream) {
  CUevent event = nullptr;
  if (!unused.empty()) {
    event = unused.back();
    unused.pop_back();
  } else if (int result = driver.eventCreate(&event, 0); result != Success) {
    failure = failure ? failure : result;
    return nullptr;
  }
  if (int result = driver.eventRecord(event, stream); result != Success)
    failure = failure ? failure : result;
  return event;
}

/// When an event took place, on the recorder's clock.
int GpuTrace::timeOf(CUevent event, uint64_t &time) const {
  float milliseconds = 0;
  int result = driver.eventElapsed(&milliseconds, anchor, event);
  time = uint64_t(int64_t(anchorTime) + int64_t(double(milliseconds) * 1e6));
  return result;
}

Status GpuTrace::collectEvents() {
  for (Pending &each : std::exchange(pending, {})) {
    uint64_t begin = 0, end = 0;
    int result = failure ? failure : timeOf(each.begin, begin);
    if (result == Success)
      result = timeOf(each.end, end);
    if (result == NotReady) { // a stream that this synchronize was not about
      pending.push_back(std::move(each));
      continue;
    }
    failure = result;
    // One after another, but for what is rounded.
    if (std::vector<uint64_t> &last = ends[each.purpose]; !last.empty())
      begin = std::max(begin, last[0]);
    end = std::max(begin, end);
    if (!failure)
      trace::addTo(freeTrack(each.purpose, begin, end), each.kind, each.name, begin, end);
    for (CUevent event : {each.begin, each.end})
      if (event)
        unused.push_back(event);
  }
  if (int result = std::exchange(failure, Success))
    return check(result);
  return trace::now() - anchorTime > anchorLife ? setAnchor() : Status::ok();
}

StreamSpan::StreamSpan(GpuTrace &trace, CUstream stream, trace::Kind kind, std::string_view what)
    : owner(trace.usesEvents() ? &trace : nullptr), stream(stream), kind(kind) {
  if (!owner)
    return;
  name = trace::intern(what);
  begin = owner->mark(stream);
}

StreamSpan::~StreamSpan() {
  if (owner)
    owner->pending.push_back({owner->purposeOf(stream), name, kind, begin, owner->mark(stream)});
}

} // namespace danaus::cuda
