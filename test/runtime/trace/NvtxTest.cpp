// Ranges for NVIDIA's tools, received by a tool of our own.
#include "runtime/trace/Nvtx.h"
#include "runtime/base/DynamicLibrary.h"
#include "runtime/trace/Recorder.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <thread>

using namespace danaus;

namespace {

std::string messageWith(const char *path) {
  setenv("NVTX_INJECTION64_PATH", path, 1);
  Status status = trace::attachNvtx();
  return status ? "" : status.error().message();
}

std::string ranges() {
  auto library = DynamicLibrary::open({TEST_INJECTION});
  const char *(*answer)() = nullptr;
  EXPECT_TRUE(library && library->load("danausNvtxRanges", answer));
  return answer();
}

} // namespace

// One test: what is attached stays.
TEST(Nvtx, SendsRangesWhereALibraryIsNamed) {
  unsetenv("NVTX_INJECTION64_PATH");
  EXPECT_TRUE(bool(trace::attachNvtx()));
  EXPECT_FALSE(trace::isWatched());
  EXPECT_NE(messageWith("/no/such/library.so").find("NVTX_INJECTION64_PATH"), std::string::npos);
  EXPECT_NE(messageWith("libc.so.6").find("no InitializeInjectionNvtx2"), std::string::npos);
  EXPECT_FALSE(trace::isWatched());
  EXPECT_EQ(messageWith(TEST_INJECTION), "");
  ASSERT_TRUE(trace::isWatched());
  EXPECT_FALSE(trace::isOn());

  trace::nameThread("main");
  std::string own = std::to_string(gettid()), other;
  {
    trace::Scope step(trace::Kind::Step, "step 1");
    trace::Scope wait(trace::Kind::Wait, "wait for input");
  }
  std::thread([&] {
    other = std::to_string(gettid());
    trace::nameThread("input 1");
    trace::Scope scope(trace::Kind::Input, "images");
  }).join();
  EXPECT_EQ(ranges(), own + " is main\n" + other + " is input 1\n" + own + " 0 step 1\n" + own +
                          " 1 wait for input\n" + other + " 0 images\n");

  trace::start(); // both, and the recorder alone has times
  {
    trace::Scope scope(trace::Kind::Step, "step 2");
  }
  trace::Recording recording = trace::stop();
  ASSERT_EQ(recording.threads.size(), 1u);
  EXPECT_EQ(recording.names[recording.threads[0].spans.at(0).name], "step 2");
  EXPECT_NE(ranges().find(own + " 0 step 2\n"), std::string::npos);
  EXPECT_TRUE(trace::isWatched());
}
