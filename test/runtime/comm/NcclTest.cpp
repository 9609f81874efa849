// NVIDIA's NCCL as far as it goes without a GPU, and our stand-in over virtual GPUs.
#include "runtime/comm/nccl/NcclSums.h"

#include "runtime/comm/JobCommunicator.h"
#include "runtime/device/cuda/StreamAccess.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace danaus;

TEST(NcclTest, TheRealOneLoadsAndNeedsAGpu) {
  auto nccl = Nccl::open(Nccl::Kind::Real);
  if (!nccl) {
    EXPECT_EQ(nccl.error().code(), ExitCode::DeviceUnavailable);
    EXPECT_NE(nccl.error().message().find("dist.backend: gloo"), std::string::npos);
    GTEST_SKIP() << nccl.error().message();
  }
  EXPECT_TRUE((*nccl)->version().starts_with("2.")) << (*nccl)->version();
  danaus_nccl_id id = {}, other = {};
  ASSERT_EQ((*nccl)->getUniqueId(&id), Nccl::Success);
  ASSERT_EQ((*nccl)->getUniqueId(&other), Nccl::Success);
  EXPECT_NE(std::string(id.bytes, sizeof id.bytes), std::string(other.bytes, sizeof id.bytes));
  if (cuda::deviceCount(false) > 0)
    GTEST_SKIP() << "a GPU is here";
  ncclComm *comm = nullptr;
  Status status = (*nccl)->check((*nccl)->initRank(&comm, 1, id, 0), "joining 1 GPU");
  ASSERT_FALSE(bool(status));
  EXPECT_TRUE(status.error().message().starts_with("while joining 1 GPU: NCCL: "))
      << status.error().message();
}

TEST(NcclTest, CpusHaveNone) {
  auto device = builtinDevices().create("cpu", {.threads = 1});
  auto nccl = ncclFor(**device);
  ASSERT_FALSE(bool(nccl));
  EXPECT_NE(nccl.error().message().find("set dist.backend: gloo or auto"), std::string::npos);
}

namespace {

/// Runs body(rank) in a process for each rank: a process has one virtual GPU. Returns what rank 0
/// says, where its body returns a text.
template <typename Body> std::string inProcesses(unsigned count, Body body) {
  uint16_t port = *portOf(*listenOn("127.0.0.1", 0));
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  std::vector<pid_t> children;
  for (unsigned rank = 0; rank < count; ++rank) {
    pid_t child = ::fork();
    if (child == 0) {
      RankEnvironment environment;
      environment.rank = rank;
      environment.size = count;
      environment.port = port;
      std::string text = body(environment);
      if (rank == 0)
        (void)!::write(ends[1], text.data(), text.size());
      ::_exit(0);
    }
    children.push_back(child);
  }
  ::close(ends[1]);
  std::string said;
  char bytes[4096];
  for (ssize_t some; (some = ::read(ends[0], bytes, sizeof bytes)) > 0;)
    said.append(bytes, size_t(some));
  ::close(ends[0]);
  for (pid_t child : children) {
    int state = 0;
    ::waitpid(child, &state, 0);
    EXPECT_EQ(state, 0);
  }
  return said;
}

/// What rank `rank` asks for.
struct Asked {
  Collective kind = Collective::AllReduce;
  uint64_t elements = 1000;
};

/// One operation through NCCL on values rank + 1 each; what went wrong, or the first and the last
/// value behind it.
template <typename AskedOf>
std::string runOnGpus(const RankEnvironment &environment, AskedOf askedOf) {
  auto device = builtinDevices().create("vgpu");
  if (!device)
    return "no device: " + device.error().message();
  auto ranks = joinRanks(environment, **device, {.backend = SumBackend::Nccl});
  if (!ranks)
    return "not joined: " + ranks.error().message();
  Asked asked = askedOf(environment.rank);
  auto arena = (*device)->allocateArena(asked.elements * sizeof(float));
  std::vector<float> values(asked.elements, float(environment.rank + 1));
  (void)(*device)->copyIn(**arena, 0, std::as_bytes(std::span(values)));
  auto number = (*ranks)->begin(asked.kind, **arena, 0, asked.elements);
  if (!number) {
    (*ranks)->fail(number.error());
    return number.error().message();
  }
  Status status = (*ranks)->finish(*number);
  (void)(*device)->copyOut(**arena, 0, std::as_writable_bytes(std::span(values)));
  return status ? format("%g %g", double(values.front()), double(values.back()))
                : status.error().message();
}

std::string onGpus(unsigned count, Asked asked) {
  return inProcesses(count, [=](const RankEnvironment &environment) {
    return runOnGpus(environment, [=](unsigned) { return asked; });
  });
}

} // namespace

TEST(NcclTest, VirtualGpusAddUp) { EXPECT_EQ(onGpus(3, {}), "6 6"); }

TEST(NcclTest, VirtualGpusAddUpAndGatherParts) {
  EXPECT_EQ(onGpus(3, {Collective::ReduceScatter, 960}), "6 1") << "rank 0's part, and the last";
  EXPECT_EQ(onGpus(3, {Collective::AllGather, 960}), "1 3");
}

// In the words of the rank that was first to say it.
TEST(NcclTest, TheStandInNoticesDifferentLengths) {
  std::string said = inProcesses(2, [](const RankEnvironment &environment) {
    return runOnGpus(environment,
                     [](unsigned rank) { return Asked{Collective::AllReduce, 1000 + rank}; });
  });
  EXPECT_NE(said.find("operation 0: all-reduce of 1001 elements"), std::string::npos) << said;
}

TEST(NcclTest, TheStandInNoticesDifferentOperations) {
  std::string said = inProcesses(2, [](const RankEnvironment &environment) {
    return runOnGpus(environment, [](unsigned rank) {
      return Asked{rank == 0 ? Collective::ReduceScatter : Collective::AllGather, 64};
    });
  });
  EXPECT_NE(said.find("operation 0: all-gather of 64 elements"), std::string::npos) << said;
}
