// What tests of the virtual GPU's engine share: PTX by hand or from NVRTC, memory, launches.
#pragma once

#include "runtime/nvrtc/Nvrtc.h"
#include "runtime/vgpu/Engine.h"

#include <cstring>
#include <gtest/gtest.h>

namespace danaus::test {

/// One virtual GPU with one stream.
class Gpu {
public:
  explicit Gpu(unsigned sm = 80) : sm(sm), memory(uint64_t(256) << 20) {}

  template <typename T> uint64_t upload(const std::vector<T> &values) {
    auto address = memory.allocate(values.size() * sizeof(T));
    EXPECT_TRUE(bool(address));
    EXPECT_TRUE(bool(memory.write(*address, std::as_bytes(std::span(values)), next("upload"))));
    return *address;
  }
  uint64_t allocate(uint64_t bytes) { return *memory.allocate(bytes); }
  template <typename T> std::vector<T> download(uint64_t address, size_t count) {
    std::vector<T> values(count);
    EXPECT_TRUE(
        bool(memory.read(address, std::as_writable_bytes(std::span(values)), next("download"))));
    return values;
  }

  vgpu::Order next(const std::string &name, uint32_t lane = 0) {
    vgpu::Order order{lane, ++sequences[lane], {}, name};
    return order;
  }

  /// Runs `kernel` of a PTX text with pointers as parameters.
  Status launch(const std::string &ptx, const std::string &kernel, unsigned blocks,
                unsigned threads, std::vector<uint64_t> pointers, uint32_t sharedBytes = 0,
                uint64_t seed = 0, uint32_t lane = 0) {
    auto module = vgpu::Module::load(ptx, sm, memory);
    if (!module)
      return module.takeError();
    vgpu::LaunchConfig config;
    config.grid[0] = blocks;
    config.block[0] = threads;
    config.dynamicSharedBytes = sharedBytes;
    config.parameters = std::as_bytes(std::span(pointers));
    config.seed = seed;
    config.stepLimit = 100'000'000;
    counters = {};
    return vgpu::launch(**module, kernel, config, memory, next("kernel " + kernel, lane),
                        &counters);
  }

  unsigned sm;
  vgpu::Memory memory;
  vgpu::LaunchCounters counters;

private:
  std::map<uint32_t, uint64_t> sequences;
};

/// PTX of a CUDA C++ text; an empty text, and a skipped test, where NVRTC is not installed.
inline std::string ptxOf(const std::string &text, const std::string &arch = "sm_80") {
  auto nvrtc = Nvrtc::open();
  if (!nvrtc)
    return "";
  auto binary = nvrtc->compile(text, "test.cu", arch);
  EXPECT_TRUE(bool(binary)) << binary.error().message();
  return binary ? binary->ptx : "";
}

#define REQUIRE_NVRTC()                                                                            \
  if (auto nvrtc = describeNvrtc(); !nvrtc)                                                        \
  GTEST_SKIP() << nvrtc.error().message()

} // namespace danaus::test
