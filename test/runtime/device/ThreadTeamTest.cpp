// The team: every thread gets every job once, and nobody passes a barrier before all are there.
#include "runtime/device/cpu/ThreadTeam.h"
#include "runtime/device/cpu/CpuInfo.h"

#include <gtest/gtest.h>

using namespace danaus;

namespace {

class ThreadTeamTest : public testing::TestWithParam<unsigned> {
protected:
  void SetUp() override {
    auto created = ThreadTeam::create(GetParam());
    ASSERT_TRUE(created);
    team = std::move(*created);
  }
  std::unique_ptr<ThreadTeam> team;
};

TEST_P(ThreadTeamTest, EveryThreadGetsEveryJobOnce) {
  std::vector<int> calls(team->size());
  for (int job = 1; job <= 200; ++job) {
    team->run([&](unsigned thread) { ++calls[thread]; });
    for (int count : calls)
      ASSERT_EQ(count, job);
  }
}

TEST_P(ThreadTeamTest, NobodyPassesABarrierBeforeAllAreThere) {
  constexpr int Rounds = 200;
  std::vector<int> position(team->size());
  std::atomic<int> early = 0;
  int lasts = 0;
  team->run([&](unsigned thread) {
    for (int round = 1; round <= Rounds; ++round) {
      position[thread] = round;
      team->barrier([&] { ++lasts; });
      for (int other : position)
        early += other < round;
      team->barrier([] {});
    }
  });
  EXPECT_EQ(early, 0);
  EXPECT_EQ(lasts, Rounds);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadTeamTest, testing::Values(1u, 2u, 3u, 8u));

/// The team ties its caller to a core where it has all of them; who the caller starts afterwards
/// inherits that and can leave it.
TEST(ThreadTeam, HelpersOfTheCallerRunOnAnyCore) {
  std::vector<int> before = affinityCpus();
  auto team = ThreadTeam::create(unsigned(before.size()));
  ASSERT_TRUE(team);
  std::vector<int> inherited, freed;
  std::thread([&] {
    inherited = affinityCpus();
    (*team)->freeThisThread();
    freed = affinityCpus();
  }).join();
  EXPECT_EQ(inherited.size(), 1u);
  EXPECT_EQ(freed, before);
}

TEST(ThreadTeam, RefusesImpossibleSizes) {
  EXPECT_FALSE(ThreadTeam::create(0));
  EXPECT_FALSE(ThreadTeam::create(ThreadTeam::MaxThreads + 1));
}

} // namespace
