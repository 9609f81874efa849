// See TraceFile.h.
#include "runtime/trace/TraceFile.h"

#include "runtime/base/Json.h"

#include <algorithm>
#include <tuple>

namespace danaus::trace {

namespace {

constexpr const char *categories[] = {"step", "kernel", "input", "communication",
                                      "wait", "launch", "copy"};

/// Names come from specs: whatever they are, the file stays JSON.
std::string jsonString(const std::string &text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string metadata(unsigned rank, size_t track, const char *what, const std::string &key,
                     const std::string &value) {
  return format("{\"ph\":\"M\",\"pid\":%u,\"tid\":%zu,\"name\":\"%s\",\"args\":{\"%s\":%s}}", rank,
                track, what, key.c_str(), value.c_str());
}

double milliseconds(const Span &span) { return double(span.end - span.begin) / 1e6; }

using Times = std::vector<std::pair<uint64_t, uint64_t>>;

/// When a device does something of a kind: times that do not overlap, in order.
Times deviceTimes(const Recording &recording, Kind kind) {
  Times all, merged;
  for (const ThreadSpans &track : recording.threads)
    for (const Span &span : track.spans)
      if (track.isOfDevice && span.kind == kind)
        all.push_back({span.begin, span.end});
  std::ranges::sort(all);
  for (auto [begin, end] : all)
    if (!merged.empty() && begin <= merged.back().second)
      merged.back().second = std::max(merged.back().second, end);
    else
      merged.push_back({begin, end});
  return merged;
}

/// Milliseconds of `times` that are not of `others`.
double uncovered(const Times &times, const Times &others) {
  uint64_t sum = 0;
  size_t first = 0; // of those that may reach into what follows
  for (auto [begin, end] : times) {
    sum += end - begin;
    while (first < others.size() && others[first].second <= begin)
      ++first;
    for (size_t i = first; i < others.size() && others[i].first < end; ++i)
      sum -= std::min(end, others[i].second) - std::max(begin, others[i].first);
  }
  return double(sum) / 1e6;
}

} // namespace

Totals totalsOf(const Recording &recording) {
  Totals totals;
  totals.exposed =
      uncovered(deviceTimes(recording, Kind::Communication), deviceTimes(recording, Kind::Kernel));
  for (const ThreadSpans &thread : recording.threads)
    for (const Span &span : thread.spans)
      switch (span.kind) {
      case Kind::Step:
        ++totals.steps;
        totals.step += milliseconds(span);
        break;
      case Kind::Wait:
        if (recording.names[span.name] == WaitForInput)
          totals.input += milliseconds(span);
        else if (recording.names[span.name] != WaitForDevice)
          totals.exposed += milliseconds(span);
        break;
      case Kind::Communication:
        totals.communication += milliseconds(span);
        break;
      case Kind::Kernel:
      case Kind::Input:
      case Kind::Launch:
      case Kind::Copy:
        break;
      }
  return totals;
}

std::string eventsOf(const Recording &recording, unsigned rank, uint64_t most, uint64_t &leftOut) {
  std::string text =
      metadata(rank, 0, "process_name", "name", jsonString(format("rank %u", rank))) + ",\n" +
      metadata(rank, 0, "process_sort_index", "sort_index", std::to_string(rank));
  struct Event {
    const Span *span;
    size_t track;
  };
  std::vector<Event> events;
  for (size_t track = 0; track < recording.threads.size(); ++track) {
    const ThreadSpans &thread = recording.threads[track];
    std::string name = thread.thread.empty() ? format("thread %zu", track) : thread.thread;
    text += ",\n" + metadata(rank, track + 1, "thread_name", "name", jsonString(name));
    for (const Span &span : thread.spans)
      events.push_back({&span, track + 1});
  }
  // What begins first, and of that the longest: an outer span before those in it.
  std::ranges::stable_sort(events, [](const Event &a, const Event &b) {
    return std::tuple(a.span->begin, b.span->end) < std::tuple(b.span->begin, a.span->end);
  });
  leftOut += recording.lost;
  size_t written = 0;
  for (const Event &event : events) {
    const Span &span = *event.span;
    std::string line =
        format(",\n{\"ph\":\"X\",\"pid\":%u,\"tid\":%zu,\"cat\":\"%s\",\"name\":%s,\"ts\":%.3f,"
               "\"dur\":%.3f}",
               rank, event.track, categories[size_t(span.kind)],
               jsonString(recording.names[span.name]).c_str(),
               double(span.begin - recording.begin) / 1e3, double(span.end - span.begin) / 1e3);
    if (text.size() + line.size() > most)
      break;
    text += line;
    ++written;
  }
  leftOut += events.size() - written;
  return text;
}

std::string traceFile(const std::vector<std::string> &eventsOfRanks, const Recording &recording,
                      uint64_t leftOut) {
  Totals totals = totalsOf(recording);
  std::string text = "{\"traceEvents\":[\n";
  for (size_t i = 0; i < eventsOfRanks.size(); ++i)
    text += (i ? ",\n" : "") + eventsOfRanks[i];
  double count = double(std::max<uint64_t>(totals.steps, 1));
  return text + format("\n],\n\"displayTimeUnit\":\"ms\",\n\"otherData\":{\"steps\":%zu,"
                       "\"ms_per_step\":%.6g,\"input_wait_ms_per_step\":%.6g,"
                       "\"exposed_communication_ms_per_step\":%.6g,"
                       "\"communication_ms_per_step\":%.6g,\"spans_left_out\":%zu%s}}\n",
                       size_t(totals.steps), totals.step / count, totals.input / count,
                       totals.exposed / count, totals.communication / count, size_t(leftOut),
                       recording.deviceTimes.empty()
                           ? ""
                           : (",\"device_times\":" + jsonString(recording.deviceTimes)).c_str());
}

} // namespace danaus::trace
