// See Recorder.h. Each thread writes into a list of its own, under a lock that only the collector
// ever contends for.
#include "runtime/trace/Recorder.h"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>

namespace danaus::trace {

namespace {

/// 24 MB a thread.
constexpr size_t mostSpans = 1'000'000;

struct ThreadList {
  std::mutex mutex;
  ThreadSpans own;
  uint64_t lost = 0;
};

struct Recorder {
  std::mutex mutex;
  std::vector<std::shared_ptr<ThreadList>> threads; ///< also of threads that have ended
  std::map<std::string, uint32_t, std::less<>> numbers;
  std::vector<std::string> names;
  uint64_t begin = 0;
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
    std::lock_guard lock(recorder().mutex);
    recorder().threads.push_back(own);
  }
  return *own;
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

uint64_t now() {
  return uint64_t(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

void nameThread(std::string_view name) {
  ThreadList &list = ownList();
  std::lock_guard lock(list.mutex);
  if (list.own.thread.empty())
    list.own.thread = name;
}

void add(Kind kind, uint32_t name, uint64_t begin, uint64_t end) {
  ThreadList &list = ownList();
  std::lock_guard lock(list.mutex);
  if (!isOn())
    return;
  if (list.own.spans.size() < mostSpans)
    list.own.spans.push_back({name, kind, begin, end});
  else
    ++list.lost;
}

void start() {
  Recorder &all = recorder();
  std::lock_guard lock(all.mutex);
  // Threads that have ended are in nobody's hands any more.
  std::erase_if(all.threads, [](const auto &list) { return list.use_count() == 1; });
  for (const auto &list : all.threads) {
    std::lock_guard own(list->mutex);
    list->own.spans.clear();
    list->lost = 0;
  }
  all.begin = now();
  detail::recording = true;
}

Recording stop() {
  Recorder &all = recorder();
  std::lock_guard lock(all.mutex);
  detail::recording = false;
  Recording result{all.begin, now(), {}, all.names, 0};
  for (const auto &list : all.threads) {
    std::lock_guard own(list->mutex);
    result.lost += list->lost;
    if (!list->own.spans.empty())
      result.threads.push_back({list->own.thread, std::move(list->own.spans)});
    list->own.spans.clear();
  }
  return result;
}

} // namespace danaus::trace
