// See Recorder.h. Each thread writes into a list of its own, under a lock that only the collector
// ever contends for.
#include "runtime/trace/Recorder.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

namespace danaus::trace {

namespace {

/// 24 MB a thread; room for the first ones is there before they come.
constexpr size_t mostSpans = 1'000'000, firstSpans = 4096;

struct ThreadList {
  std::mutex mutex;
  ThreadSpans own;
  uint64_t lost = 0;
};

struct Recorder {
  std::mutex mutex;
  std::vector<std::shared_ptr<ThreadList>> threads; ///< also of threads that have ended
  std::vector<std::shared_ptr<ThreadList>> tracks;
  std::map<std::string, uint32_t, std::less<>> numbers;
  std::deque<std::string> names; ///< they stay where they are
  std::atomic<uint64_t> begin = 0;
};

/// Never destroyed: threads may end after the statics of the process.
Recorder &recorder() {
  static auto *one = new Recorder;
  return *one;
}

ThreadList &ownList() {
  thread_local std::shared_ptr<ThreadList> own;
  if (!own) {
    own = std::make_shared<ThreadList>();
    own->own.spans.reserve(firstSpans);
    std::lock_guard lock(recorder().mutex);
    recorder().threads.push_back(own);
  }
  return *own;
}

void addTo(ThreadList &list, const Span &span) {
  std::lock_guard lock(list.mutex);
  if (!isOn())
    return;
  if (list.own.spans.size() < mostSpans)
    list.own.spans.push_back(span);
  else
    ++list.lost;
}

/// Calls `each` with every list, threads first.
template <typename Each> void forAll(Recorder &all, Each each) {
  for (const auto *lists : {&all.threads, &all.tracks})
    for (const auto &list : *lists) {
      std::lock_guard own(list->mutex);
      each(*list);
    }
}

} // namespace

uint32_t intern(std::string_view name) {
  Recorder &all = recorder();
  std::lock_guard lock(all.mutex);
  auto found = all.numbers.find(name);
  if (found == all.numbers.end()) {
    found = all.numbers.emplace(name, uint32_t(all.names.size())).first;
    all.names.emplace_back(name);
  }
  return found->second;
}

const char *textOf(uint32_t name) {
  std::lock_guard lock(recorder().mutex);
  return recorder().names[name].c_str();
}

uint64_t now() {
  return uint64_t(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

void nameThread(std::string_view name) {
  ThreadList &list = ownList();
  std::lock_guard lock(list.mutex);
  if (!list.own.thread.empty())
    return;
  list.own.thread = name;
  if (sinks() & NvtxSink)
    detail::nameNvtxThread(list.own.thread.c_str());
}

void add(Kind kind, uint32_t name, uint64_t begin, uint64_t end) {
  addTo(ownList(), {name, kind, begin, end});
}

uint32_t openTrack(std::string_view name) {
  Recorder &all = recorder();
  std::lock_guard lock(all.mutex);
  for (size_t i = 0; i < all.tracks.size(); ++i)
    if (all.tracks[i]->own.thread == name)
      return uint32_t(i);
  all.tracks.push_back(std::make_shared<ThreadList>());
  all.tracks.back()->own.thread = name;
  all.tracks.back()->own.isOfDevice = true;
  return uint32_t(all.tracks.size() - 1);
}

void addTo(uint32_t track, Kind kind, uint32_t name, uint64_t begin, uint64_t end) {
  if (!isOn())
    return;
  Recorder &all = recorder();
  std::unique_lock lock(all.mutex);
  std::shared_ptr<ThreadList> list = all.tracks[track];
  lock.unlock();
  begin = std::max<uint64_t>(begin, all.begin);
  addTo(*list, {name, kind, begin, std::max(begin, end)});
}

void start() {
  Recorder &all = recorder();
  std::lock_guard lock(all.mutex);
  // Threads that have ended are in nobody's hands any more.
  std::erase_if(all.threads, [](const auto &list) { return list.use_count() == 1; });
  forAll(all, [](ThreadList &list) {
    list.own.spans.clear();
    list.lost = 0;
  });
  all.begin = now();
  detail::sinks |= RecorderSink;
}

Recording stop() {
  Recorder &all = recorder();
  std::lock_guard lock(all.mutex);
  detail::sinks &= ~RecorderSink;
  Recording result{all.begin, now(), {}, {all.names.begin(), all.names.end()}, {}, 0};
  forAll(all, [&](ThreadList &list) {
    result.lost += list.lost;
    if (!list.own.spans.empty())
      result.threads.push_back({list.own.thread, std::move(list.own.spans), list.own.isOfDevice});
    list.own.spans.clear();
  });
  return result;
}

} // namespace danaus::trace
