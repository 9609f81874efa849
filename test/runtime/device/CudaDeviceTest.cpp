// The CUDA device on the virtual GPU: memory, copies, programs as graphs, times, and a clear
// message for everything that can be missing or wrong.
#include "runtime/device/Device.h"
#include "runtime/nvrtc/CompileCuda.h"
#include "runtime/plan/CudaCode.h"
#include "runtime/trace/Recorder.h"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>

using namespace danaus;

namespace {

/// add: c = a + b; twice: c = 2 a; both on 64 floats; far: reads behind the arena.
constexpr char text[] =
    "extern \"C\" __global__ void add(const float *a, const float *b, float *c) {\n"
    "  int i = blockIdx.x * 32 + threadIdx.x;\n  c[i] = a[i] + b[i];\n}\n"
    "extern \"C\" __global__ void twice(const float *a, float *c) {\n"
    "  int i = blockIdx.x * 32 + threadIdx.x;\n  c[i] = 2 * a[i];\n}\n"
    "extern \"C\" __global__ void far(const float *a, float *c) {\n"
    "  c[threadIdx.x] = a[threadIdx.x + 10000];\n}\n";

enum class Carried { Binaries, SourcesOnly };

std::string section(Carried carried) {
  fb::CudaCodeT code;
  for (auto [symbol, parameters] : {std::pair("add", std::vector<uint32_t>{0, 1, 2}),
                                    std::pair("twice", std::vector<uint32_t>{0, 1}),
                                    std::pair("far", std::vector<uint32_t>{0, 1})}) {
    auto kernel = std::make_unique<fb::CudaKernelT>();
    kernel->symbol = symbol;
    kernel->source = text;
    kernel->block = 32;
    kernel->parameters = parameters;
    if (carried == Carried::Binaries) {
      CudaSource source{symbol, text};
      auto made = compileCuda({&source, 1}, "sm_75", 1, KernelCache(""));
      EXPECT_TRUE(bool(made));
      auto binary = std::make_unique<fb::CudaBinaryT>();
      binary->arch = "sm_75";
      binary->ptx = (*made)[0].ptx;
      binary->cubin.resize(
          (*made)[0].cubin.size()); // the virtual GPU refuses it, and takes the PTX
      std::memcpy(binary->cubin.data(), (*made)[0].cubin.data(), binary->cubin.size());
      kernel->binaries.push_back(std::move(binary));
    }
    code.kernels.push_back(std::move(kernel));
  }
  return packCudaCode(code);
}

/// (c = a + b; then d = 2 c) on an arena of four times 64 floats.
ProgramSpec program() {
  return {{{"add", 2, 0, 3}, {"twice", 2, 0, 2}}, {{{0, {0, 256, 512}}}, {{1, {512, 768}}}}};
}

class CudaDevice : public testing::TestWithParam<Carried> {
protected:
  static void SetUpTestSuite() { setenv("DANAUS_VGPU", "sm_80,devices=2,memory=256", 1); }
  void SetUp() override {
    if (auto nvrtc = describeNvrtc(); !nvrtc)
      GTEST_SKIP() << nvrtc.error().message();
    auto made = builtinDevices().create("vgpu:1", {.threads = 1});
    ASSERT_TRUE(bool(made)) << made.error().message();
    device = std::move(*made);
  }
  std::unique_ptr<Code> load(const std::string &bytes) {
    auto code = device->loadCode(std::as_bytes(std::span(bytes)), "sm_75");
    EXPECT_TRUE(bool(code)) << code.error().message();
    return code ? std::move(*code) : nullptr;
  }
  std::unique_ptr<Device> device;
};

TEST_P(CudaDevice, RunsAProgram) {
  EXPECT_EQ(device->target(), "cuda");
  EXPECT_EQ(device->description(), "vGPU, sm_80, 108 multiprocessors, 256.0 MiB");
  EXPECT_EQ(device->isas().front(), "sm_80");
  EXPECT_EQ(device->isas().back(), "sm_70");
  auto arena = device->allocateArena(1024);
  ASSERT_TRUE(bool(arena));
  EXPECT_EQ((*arena)->host(), nullptr);
  std::vector<float> a(64), out(64);
  for (int i = 0; i < 64; ++i)
    a[size_t(i)] = float(i);
  ASSERT_TRUE(bool(device->copyIn(**arena, 0, std::as_bytes(std::span(a)))));
  ASSERT_TRUE(bool(device->copyIn(**arena, 256, std::as_bytes(std::span(a)))));
  auto code = load(section(GetParam()));
  auto executable = device->loadProgram(**arena, *code, program());
  ASSERT_TRUE(bool(executable)) << executable.error().message();
  for (Timing timing : {Timing::Off, Timing::On}) {
    (*executable)->setTiming(timing);
    ASSERT_TRUE(bool(device->submit(**executable)));
    ASSERT_TRUE(bool(device->synchronize()));
    ASSERT_TRUE(bool(device->copyOut(**arena, 768, std::as_writable_bytes(std::span(out)))));
    for (int i = 0; i < 64; ++i)
      EXPECT_EQ(out[size_t(i)], float(4 * i));
  }
  EXPECT_EQ((*executable)->launchSums().size(), 2u);
  EXPECT_GT((*executable)->launchSums()[0].nanoseconds, 0u);
  EXPECT_EQ((*executable)->launchCount(), 4u);
}
/// Inputs that are copied beside a step: it does not see them, the next one does. That nothing
/// races with them is what the virtual GPU checks.
TEST_P(CudaDevice, CopiesAheadReachTheNextStep) {
  auto arena = device->allocateArena(1024);
  auto code = load(section(GetParam()));
  auto executable = device->loadProgram(**arena, *code, program());
  ASSERT_TRUE(bool(executable)) << executable.error().message();
  std::unique_ptr<HostMemory> memory[2];
  for (std::unique_ptr<HostMemory> &own : memory) {
    auto made = device->allocateHost(256);
    ASSERT_TRUE(bool(made)) << made.error().message();
    EXPECT_EQ(std::to_integer<int>((*made)->bytes()[255]), 0);
    own = std::move(*made);
  }
  auto send = [&](int which, float value) {
    std::span<std::byte> bytes = memory[which]->bytes();
    for (size_t i = 0; i < 64; ++i)
      std::memcpy(&bytes[4 * i], &value, 4);
    EXPECT_TRUE(bool(device->copyInAhead(**arena, 0, bytes)));
  };
  std::vector<float> out(64);
  for (int step = 0; step < 5; ++step) {
    if (step == 0)
      send(0, 1);
    ASSERT_TRUE(bool(device->submit(**executable)));
    send(1 - step % 2, float(step + 2));
    Status status = device->synchronize();
    ASSERT_TRUE(bool(status)) << status.error().message();
    ASSERT_TRUE(bool(device->copyOut(**arena, 768, std::as_writable_bytes(std::span(out)))));
    EXPECT_EQ(out[0], float(2 * (step + 1)));
    EXPECT_EQ(out[63], float(2 * (step + 1)));
  }
  send(0, 100);
  ASSERT_TRUE(bool(device->synchronize()));
  send(1, 200); // the last one counts
  ASSERT_TRUE(bool(device->submit(**executable)));
  ASSERT_TRUE(bool(device->copyOut(**arena, 768, std::as_writable_bytes(std::span(out)))));
  EXPECT_EQ(out[0], 400);
}
/// The graph's kernels, by the names of their layers, on the clock of the recorder; a copy of the
/// stream; the launch by the host. Events instead: test/training/trace_vgpu.py.
TEST_P(CudaDevice, IsInTraces) {
  auto arena = device->allocateArena(1024);
  auto code = load(section(GetParam()));
  ProgramSpec spec = program();
  spec.stages[0][0].label = "contract first";
  spec.stages[1][0].label = "row second";
  auto executable = device->loadProgram(**arena, *code, spec);
  ASSERT_TRUE(bool(executable)) << executable.error().message();
  std::vector<std::byte> bytes(512);
  ASSERT_TRUE(bool(device->copyIn(**arena, 0, bytes))); // nobody traces yet

  ASSERT_TRUE(bool(device->beginTrace()));
  trace::start();
  ASSERT_TRUE(bool(device->copyIn(**arena, 0, bytes)));
  ASSERT_TRUE(bool(device->submit(**executable)));
  ASSERT_TRUE(bool(device->synchronize()));
  auto source = device->endTrace();
  trace::Recording recording = trace::stop();
  ASSERT_TRUE(bool(source)) << source.error().message();
  EXPECT_EQ(*source, "CUPTI 13.0");

  std::vector<std::string> names, host;
  for (const trace::ThreadSpans &track : recording.threads) {
    bool isGpu = track.thread == "GPU 1: kernels";
    for (const trace::Span &span : track.spans) {
      (isGpu ? names : host).push_back(recording.names[span.name]);
      EXPECT_LE(recording.begin, span.begin);
      EXPECT_LE(span.begin, span.end);
      EXPECT_LE(span.end, recording.end);
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"copy to the GPU", "contract first", "row second"}));
  EXPECT_NE(std::ranges::find(host, "launch kernels"), host.end());

  trace::start(); // the device was not asked
  ASSERT_TRUE(bool(device->submit(**executable)));
  ASSERT_TRUE(bool(device->synchronize()));
  for (const trace::ThreadSpans &track : trace::stop().threads)
    EXPECT_NE(track.thread, "GPU 1: kernels");
}
INSTANTIATE_TEST_SUITE_P(Code, CudaDevice,
                         testing::Values(Carried::Binaries, Carried::SourcesOnly));

using CudaMessages = CudaDevice;
TEST_P(CudaMessages, SayWhatIsWrong) {
  auto errorOf = [](auto result) {
    return result ? std::string("it worked") : result.error().message();
  };
  EXPECT_EQ(errorOf(builtinDevices().create("vgpu:2")),
            "there is no GPU 2: the driver sees 2, numbered from 0");
  EXPECT_EQ(errorOf(builtinDevices().create("vgpu:one")),
            "'vgpu:one': what follows the colon is the number of a GPU, as in vgpu:1");
  EXPECT_EQ(errorOf(device->allocateArena(uint64_t(1) << 40)),
            "the model needs 1.0 TiB on the GPU, which has 256.0 MiB free of 256.0 MiB; make the "
            "batch smaller "
            "(train.batch_size, train.accumulate) or set train.recompute");
  auto arena = device->allocateArena(1024);
  std::vector<std::byte> bytes(8);
  EXPECT_FALSE(bool(device->copyIn(**arena, 1020, bytes)));
  EXPECT_FALSE(bool(device->copyOut(**arena, 1020, bytes)));
  auto code = load(section(GetParam()));
  ProgramSpec unknown = program();
  unknown.kernels[1].symbol = "thrice";
  EXPECT_EQ(errorOf(device->loadProgram(**arena, *code, unknown)),
            "the CUDA code has no kernel thrice");
  ProgramSpec tooFew = program();
  tooFew.kernels[0].arguments = 2;
  tooFew.stages[0][0].buffers = {0, 256};
  EXPECT_EQ(errorOf(device->loadProgram(**arena, *code, tooFew)),
            "kernel add takes argument 2 of 2");
  EXPECT_NE(errorOf(device->loadCode(bytes, "sm_80"))
                .find("the CUDA code of this model binary is broken"),
            std::string::npos);
}

/// An error of a kernel stays with the process: in one of its own.
TEST_P(CudaMessages, AKernelThatFailsIsNamed) {
  auto run = [&] {
    auto arena = device->allocateArena(1024);
    auto code = load(section(GetParam()));
    auto executable = device->loadProgram(**arena, *code, {{{"far", 1, 0, 2}}, {{{0, {0, 256}}}}});
    Status status = device->submit(**executable);
    if (status)
      status = device->synchronize();
    std::string message = status ? "it worked" : status.error().message();
    fprintf(stderr, "\n%s\n", message.c_str());
    _exit(message.find("out of bounds: kernel far, line 10") != std::string::npos &&
                  message.find("CUDA_ERROR_ILLEGAL_ADDRESS") != std::string::npos &&
                  status.error().code() == ExitCode::DeviceUnavailable
              ? 0
              : 1);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(0), "while launching a step: out of bounds");
}
/// A GPU may read pinned memory until the host has waited for the copy.
TEST_P(CudaMessages, MemoryThatChangesUnderACopyIsFound) {
  auto run = [&] {
    auto arena = device->allocateArena(1024);
    auto memory = device->allocateHost(256);
    Status status = device->copyInAhead(**arena, 0, (*memory)->bytes());
    (*memory)->bytes()[17] = std::byte(1);
    if (status)
      status = device->synchronize();
    fprintf(stderr, "\n%s\n", status ? "it worked" : status.error().message().c_str());
    _exit(status ? 1 : 0);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(0), "the host has changed 256 bytes of pinned memory");
}
INSTANTIATE_TEST_SUITE_P(Code, CudaMessages, testing::Values(Carried::Binaries));

TEST(CudaDriver, IsMissingWhereThereIsNone) {
  auto device = builtinDevices().create("cuda");
  if (device)
    GTEST_SKIP() << "there is a GPU here";
  EXPECT_EQ(device.error().code(), ExitCode::DeviceUnavailable);
  EXPECT_NE(device.error().message().find("use --device vgpu or cpu"), std::string::npos)
      << device.error().message();
}

} // namespace
