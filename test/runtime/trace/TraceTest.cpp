// The recorder, and the file's limit.
#include "runtime/trace/TraceFile.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <thread>

using namespace danaus;

TEST(Recorder, TakesSpansOfAllThreadsWhileItIsOn) {
  trace::add(trace::Kind::Kernel, trace::intern("before"), 1, 2);
  trace::start();
  {
    trace::Scope scope(trace::Kind::Step, "step");
  }
  std::thread([] {
    trace::nameThread("other");
    trace::Scope scope(trace::Kind::Input, "input");
  }).join();
  trace::Recording recording = trace::stop();
  {
    trace::Scope scope(trace::Kind::Step, "after");
  }
  ASSERT_EQ(recording.threads.size(), 2u);
  for (const trace::ThreadSpans &thread : recording.threads) {
    ASSERT_EQ(thread.spans.size(), 1u);
    const trace::Span &span = thread.spans[0];
    EXPECT_EQ(recording.names[span.name], thread.thread == "other" ? "input" : "step");
    EXPECT_LE(recording.begin, span.begin);
    EXPECT_LE(span.begin, span.end);
    EXPECT_LE(span.end, recording.end);
  }
  trace::start();
  EXPECT_TRUE(trace::stop().threads.empty());
}

TEST(Recorder, TakesSpansOfTracks) {
  uint32_t track = trace::openTrack("GPU: kernels"), name = trace::intern("kernel");
  EXPECT_EQ(trace::openTrack("GPU: kernels"), track);
  EXPECT_NE(trace::openTrack("GPU: copies"), track);
  trace::addTo(track, trace::Kind::Kernel, name, 1, 2); // off
  trace::start();
  uint64_t now = trace::now();
  trace::addTo(track, trace::Kind::Kernel, name, now, now + 5);
  trace::addTo(track, trace::Kind::Kernel, name, 1, now); // clocks that differ a little
  trace::Recording recording = trace::stop();
  ASSERT_EQ(recording.threads.size(), 1u);
  EXPECT_EQ(recording.threads[0].thread, "GPU: kernels");
  ASSERT_EQ(recording.threads[0].spans.size(), 2u);
  EXPECT_EQ(recording.threads[0].spans[0].end, now + 5);
  EXPECT_EQ(recording.threads[0].spans[1].begin, recording.begin);
  EXPECT_EQ(recording.threads[0].spans[1].end, now);
}

TEST(TraceFile, SaysWhenceTheTimesOfADeviceAre) {
  trace::Recording recording;
  EXPECT_EQ(trace::traceFile({"{}"}, recording, 0).find("device_times"), std::string::npos);
  recording.deviceTimes = "CUDA \"events\"";
  auto file = nlohmann::json::parse(trace::traceFile({"{}"}, recording, 0));
  EXPECT_EQ(file["otherData"]["device_times"], "CUDA \"events\"");
}

TEST(TraceFile, LeavesOutTheLatestWhereThereIsNoRoomAndCountsThem) {
  trace::Recording recording{0, 1'000'000, {{"main", {}}}, {"a \"name\""}, {}, 3};
  for (uint64_t i = 0; i < 100; ++i)
    recording.threads[0].spans.push_back({0, trace::Kind::Kernel, 1000 * i, 1000 * i + 500});
  constexpr uint64_t most = 2000;
  uint64_t leftOut = 0;
  std::string events = trace::eventsOf(recording, 0, most, leftOut);
  EXPECT_LE(events.size(), most);
  auto file = nlohmann::json::parse(trace::traceFile({events}, recording, leftOut));
  uint64_t spans = 0;
  for (const auto &event : file["traceEvents"])
    if (event["ph"] == "X") {
      EXPECT_EQ(event["name"], "a \"name\"");
      EXPECT_DOUBLE_EQ(event["ts"], double(spans++));
    }
  EXPECT_GT(spans, 0u);
  EXPECT_EQ(spans + leftOut, 103u); // three were lost before
  EXPECT_EQ(file["otherData"]["spans_left_out"], leftOut);
}

TEST(TraceFile, AddsUpWaits) {
  trace::Recording recording{
      0,
      9'000'000,
      {{"main", {}}},
      {"step 1", "wait for input", "wait for all-reduce", "wait for the GPU"},
      {},
      0};
  recording.threads[0].spans = {{1, trace::Kind::Wait, 0, 1'000'000},
                                {2, trace::Kind::Wait, 2'000'000, 4'000'000},
                                {3, trace::Kind::Wait, 4'000'000, 7'000'000},
                                {0, trace::Kind::Step, 0, 8'000'000}};
  trace::Totals totals = trace::totalsOf(recording);
  EXPECT_EQ(totals.steps, 1u);
  EXPECT_DOUBLE_EQ(totals.step, 8);
  EXPECT_DOUBLE_EQ(totals.input, 1);
  EXPECT_DOUBLE_EQ(totals.exposed, 2);
}

/// On a GPU nobody waits: sums are exposed while no kernel runs.
TEST(TraceFile, AddsUpSumsThatNoKernelHides) {
  trace::Recording recording{0, 99'000'000, {{"main", {}}}, {"any"}, {}, 0};
  auto track = [&](const char *name, trace::Kind kind,
                   std::vector<std::pair<uint64_t, uint64_t>> times) {
    trace::ThreadSpans spans{name, {}, true};
    for (auto [begin, end] : times)
      spans.spans.push_back({0, kind, begin * 1'000'000, end * 1'000'000});
    recording.threads.push_back(spans);
  };
  // A host's kernels hide nothing.
  recording.threads[0].spans = {{0, trace::Kind::Kernel, 0, 90'000'000}};
  track("GPU 0: NCCL", trace::Kind::Communication, {{10, 20}, {30, 40}, {50, 60}, {70, 80}});
  track("GPU 0: kernels", trace::Kind::Kernel, {{5, 12}, {18, 33}, {35, 36}, {49, 61}});
  track("GPU 0: kernels (2)", trace::Kind::Kernel, {{11, 14}, {32, 34}});
  trace::Totals totals = trace::totalsOf(recording);
  EXPECT_DOUBLE_EQ(totals.communication, 40);
  EXPECT_DOUBLE_EQ(totals.exposed, 4 + 5 + 0 + 10);
}
