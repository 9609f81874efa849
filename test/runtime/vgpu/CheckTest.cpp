// Each check of the virtual GPU: a kernel that violates it, the finding's words, and a twin without
// a finding. CUDA C++ by NVRTC.
#include "test/runtime/vgpu/EngineTesting.h"

using namespace danaus;
using namespace danaus::test;
using vgpu::FindingKind;

namespace {

/// Runs a kernel `k(float *a, float *b)` on 256 floats each and returns the findings.
std::vector<vgpu::Finding> findingsOf(const std::string &body, unsigned blocks = 1,
                                      unsigned threads = 64, uint32_t sharedBytes = 1024,
                                      uint64_t seed = 0) {
  std::string text = "extern \"C\" __global__ void k(float *a, float *b) {\n"
                     "  extern __shared__ float shared[];\n  int t = threadIdx.x;\n" +
                     body + "\n}\n";
  Gpu gpu;
  uint64_t a = gpu.upload(std::vector<float>(256, 1.0f)), b = gpu.upload(std::vector<float>(256));
  (void)bool(gpu.launch(ptxOf(text), "k", blocks, threads, {a, b}, sharedBytes, seed));
  return gpu.memory.takeFindings();
}

void expectFinding(FindingKind kind, const std::string &words,
                   const std::vector<vgpu::Finding> &findings) {
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings.front().kind, kind) << findings.front().text;
  EXPECT_NE(findings.front().text.find(words), std::string::npos) << findings.front().text;
  EXPECT_EQ(findings.front().sourceLine, 4u) << findings.front().text; // the first line of the body
}

TEST(Checks, OutOfBounds) {
  REQUIRE_NVRTC();
  expectFinding(FindingKind::OutOfBounds, "out of bounds: kernel k, line 4 (PTX line",
                findingsOf("b[t] = a[t + 240];"));
  expectFinding(FindingKind::OutOfBounds, "0 bytes past the end of the 1024 bytes at 0x",
                findingsOf("b[t] = a[t + 240];"));
  expectFinding(FindingKind::OutOfBounds, "4 bytes before the 1024 bytes at 0x",
                findingsOf("b[t] = a[t - 1];"));
  expectFinding(
      FindingKind::OutOfBounds, "and the block has 128 bytes",
      findingsOf("shared[t] = a[t]; __syncthreads(); b[t] = shared[63 - t];", 1, 64, 128));
  EXPECT_TRUE(findingsOf("b[t] = a[t + 192];").empty());
}

TEST(Checks, Misaligned) {
  REQUIRE_NVRTC();
  expectFinding(FindingKind::Misaligned, "a load of 8 bytes at address 0x",
                findingsOf("b[t] = *reinterpret_cast<const volatile double *>(a + 1) > 0;"));
}

TEST(Checks, SharedRace) {
  REQUIRE_NVRTC();
  auto findings = findingsOf("shared[t] = a[t]; b[t] = shared[63 - t];");
  expectFinding(FindingKind::Uninitialised, "reads what nobody has written: shared address",
                findings);
  // The other order of warps: now it is read after it was written, and without a barrier.
  findings = findingsOf(
      "shared[t] = a[t]; if (t < 32) shared[t] = a[t + 1]; if (t >= 32) b[t] = shared[t - 32];");
  expectFinding(FindingKind::SharedRace,
                "reads what warp 0 uses, without a barrier between the two", findings);
  EXPECT_TRUE(findingsOf("shared[t] = a[t]; __syncthreads(); b[t] = shared[63 - t];").empty());
}

TEST(Checks, GlobalRace) {
  REQUIRE_NVRTC();
  expectFinding(FindingKind::GlobalRace, "writes what block 0 writes in the same launch",
                findingsOf("b[t] = a[t] + blockIdx.x;", 2));
  expectFinding(FindingKind::GlobalRace, "reads what block 0 writes in the same launch",
                findingsOf("if (blockIdx.x == 0) b[t] = a[t]; else a[t] = b[t];", 2));
  EXPECT_TRUE(findingsOf("b[blockIdx.x * 64 + t] = a[t];", 2).empty());
  EXPECT_TRUE(findingsOf("atomicAdd(b, 1.0f);", 3).empty());
}

TEST(Checks, DivergentBarrier) {
  REQUIRE_NVRTC();
  expectFinding(
      FindingKind::DivergentBarrier, "barrier that not all reach",
      findingsOf("if (t % 2) { __syncthreads(); b[t] = a[t]; } else { b[t] = 2 * a[t]; }"));
}

TEST(Checks, Deadlock) {
  Gpu gpu;
  std::string text =
      ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k() {\n.reg .b32 "
      "%r<3>;\n.reg .pred %p<2>;\nmov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, "
      "32;\n@%p1 bra FIRST;\nbar.sync 1;\nbra END;\nFIRST:\nbar.sync 0;\nEND:\n"
      "ret;\n}\n";
  Status status = gpu.launch(text, "k", 1, 64, {});
  ASSERT_FALSE(bool(status));
  EXPECT_NE(status.error().message().find("deadlock"), std::string::npos);
  EXPECT_NE(status.error().message().find(
                "waits at barrier 1, and warp 0 waits at barrier 0: neither goes on"),
            std::string::npos)
      << status.error().message();
  // One warp has nothing to wait for.
  (void)gpu.memory.takeFindings();
  EXPECT_TRUE(bool(gpu.launch(text, "k", 1, 32, {})));
}

TEST(Checks, TrapAndStepLimit) {
  REQUIRE_NVRTC();
  expectFinding(FindingKind::Trap, "the kernel called trap", findingsOf("if (a[t] > 0) __trap();"));
  auto findings = findingsOf("for (volatile int i = 0; a[t] > 0; ++i) b[t] = i;", 1, 1);
  ASSERT_FALSE(findings.empty());
}

TEST(Checks, AsyncCopiesAreThereAfterTheWait) {
  REQUIRE_NVRTC();
  std::string copy = "unsigned to = unsigned(__cvta_generic_to_shared(shared + 4 * t)); "
                     "asm volatile(\"cp.async.cg.shared.global [%0], [%1], 16;\" :: \"r\"(to), "
                     "\"l\"(a + 4 * t) : \"memory\"); "
                     "asm volatile(\"cp.async.commit_group;\" ::: \"memory\"); ";
  std::string wait = "asm volatile(\"cp.async.wait_group 0;\" ::: \"memory\"); ";
  expectFinding(FindingKind::PendingAsyncCopy,
                "reads what cp.async is still copying (no wait before it)",
                findingsOf(copy + "__syncthreads(); b[t] = shared[t];"));
  expectFinding(FindingKind::SharedRace, "without a barrier between the two",
                findingsOf(copy + wait + "b[t] = shared[t ^ 63];"));
  EXPECT_TRUE(findingsOf(copy + wait + "__syncthreads(); b[t] = shared[t ^ 63];").empty());
}

TEST(Checks, OperationsWithoutAnOrderRace) {
  REQUIRE_NVRTC();
  std::string ptx = ptxOf(
      "extern \"C\" __global__ void k(float *a, float *b) { b[threadIdx.x] = a[threadIdx.x]; }");
  Gpu gpu;
  uint64_t a = gpu.upload(std::vector<float>(64, 1.0f)), b = gpu.upload(std::vector<float>(64)),
           c = gpu.upload(std::vector<float>(64));
  ASSERT_TRUE(bool(gpu.launch(ptx, "k", 1, 64, {a, b})));
  EXPECT_TRUE(gpu.memory.takeFindings().empty());
  ASSERT_TRUE(bool(gpu.launch(ptx, "k", 1, 64, {b, c}, 0, 0, 1))); // on another stream
  auto findings = gpu.memory.takeFindings();
  ASSERT_FALSE(findings.empty());
  EXPECT_NE(findings.front().text.find(
                "reads what kernel k writes, and no stream or event orders the two"),
            std::string::npos)
      << findings.front().text;
}

TEST(Checks, MemoryOfTheHost) {
  Gpu gpu;
  std::vector<std::byte> bytes(16);
  Status status = gpu.memory.write(0x1234, bytes, gpu.next("copy"));
  EXPECT_EQ(status.error().message(),
            "a write of 16 bytes runs outside: address 0x1234, in no allocation");
  uint64_t address = gpu.allocate(8);
  EXPECT_FALSE(bool(gpu.memory.read(address, bytes, gpu.next("copy"))));
  EXPECT_TRUE(bool(gpu.memory.read(address, std::span(bytes).first(8), gpu.next("copy"))));
  auto findings = gpu.memory.takeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, FindingKind::Uninitialised);
  EXPECT_TRUE(bool(gpu.memory.free(address)));
  EXPECT_FALSE(bool(gpu.memory.free(address)));
  EXPECT_FALSE(bool(gpu.memory.allocate(uint64_t(1) << 40)));
}

TEST(Counters, AreThoseComputedByHand) {
  REQUIRE_NVRTC();
  std::string text =
      "extern \"C\" __global__ void k(const float *a, float *b) {\n  __shared__ float s[64 * 33];\n"
      "  int t = threadIdx.x;\n  s[t * 32] = a[t];\n  __syncthreads();\n  b[2 * t] = s[t * 32] * "
      "2;\n}\n";
  Gpu gpu;
  uint64_t a = gpu.upload(std::vector<float>(64, 1.0f)), b = gpu.upload(std::vector<float>(128));
  ASSERT_TRUE(bool(gpu.launch(ptxOf(text), "k", 1, 64, {a, b})));
  const vgpu::LaunchCounters &c = gpu.counters;
  EXPECT_EQ(c.globalRequests, 4u);          // two warps, a load and a store each
  EXPECT_EQ(c.globalSectors, 2u * (4 + 8)); // 128 bytes side by side; 32 floats in 256 bytes
  EXPECT_EQ(c.idealGlobalSectors, 2u * (4 + 4));
  EXPECT_EQ(c.sharedWaves, 4u * 32); // every lane in the same bank
  EXPECT_EQ(c.idealSharedWaves, 4u);
  EXPECT_EQ(c.uniqueReadBytes, 256u);
  EXPECT_EQ(c.uniqueWrittenBytes, 512u);
  EXPECT_EQ(c.barriers, 1u);
  vgpu::LaunchCounters first = c;
  ASSERT_TRUE(bool(gpu.launch(ptxOf(text), "k", 1, 64, {a, b}, 0, 99)));
  EXPECT_EQ(first.sharedWaves, gpu.counters.sharedWaves); // whatever the order of the warps
  EXPECT_EQ(first.threadInstructions, gpu.counters.threadInstructions);
}

} // namespace
