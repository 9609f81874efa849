// What launchers set, and what they must not.
#include "runtime/comm/RankEnvironment.h"

#include <gtest/gtest.h>
#include <map>

using namespace danaus;

using Variables = std::map<std::string, std::string>;

static Expected<RankEnvironment> read(const Variables &variables) {
  return readRankEnvironment([&](const char *name) -> const char * {
    auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

static const Variables torchrun = {{"RANK", "5"},
                                   {"WORLD_SIZE", "8"},
                                   {"LOCAL_RANK", "1"},
                                   {"LOCAL_WORLD_SIZE", "4"},
                                   {"MASTER_ADDR", "node1"},
                                   {"MASTER_PORT", "29500"},
                                   {"TORCHELASTIC_RUN_ID", "job"}};
static const Variables slurm = {{"SLURM_PROCID", "2"},
                                {"SLURM_LOCALID", "0"},
                                {"SLURM_STEP_NUM_TASKS", "4"},
                                {"SLURM_STEP_NUM_NODES", "2"},
                                {"SLURM_STEP_TASKS_PER_NODE", "2(x2)"},
                                {"SLURM_STEP_NODELIST", "gpu[03-04]"},
                                {"SLURM_JOB_ID", "77"}};

static Variables with(Variables variables, const Variables &others) {
  for (auto &[name, value] : others)
    variables[name] = value;
  return variables;
}

TEST(RankEnvironmentTest, AloneWithoutALauncher) {
  auto found = read({});
  ASSERT_TRUE(bool(found));
  EXPECT_TRUE(found->isAlone());
  // A batch script outside of srun, and one task, are alone too.
  EXPECT_TRUE(read({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}})->isAlone());
  EXPECT_TRUE(read({{"RANK", "0"}, {"WORLD_SIZE", "1"}})->isAlone());
}

TEST(RankEnvironmentTest, Torchrun) {
  auto found = read(torchrun);
  ASSERT_TRUE(bool(found));
  EXPECT_EQ(found->rank, 5u);
  EXPECT_EQ(found->size, 8u);
  EXPECT_EQ(found->localRank, 1u);
  EXPECT_EQ(found->localSize, 4u);
  EXPECT_EQ(found->host, "node1");
  EXPECT_EQ(found->port, 29500);
  EXPECT_EQ(found->token, "job");
  EXPECT_EQ(found->launcher, "torchrun");
  // Its agent listens on MASTER_PORT.
  EXPECT_EQ(read(with(torchrun, {{"TORCHELASTIC_USE_AGENT_STORE", "True"}}))->port, 29501);
}

TEST(RankEnvironmentTest, Slurm) {
  auto found = read(slurm);
  ASSERT_TRUE(bool(found));
  EXPECT_EQ(found->rank, 2u);
  EXPECT_EQ(found->size, 4u);
  EXPECT_EQ(found->localSize, 2u);
  EXPECT_EQ(found->host, "gpu03");
  EXPECT_EQ(found->launcher, "Slurm");
  // All ranks of a job take the same port, those of another most likely not.
  EXPECT_EQ(found->port, read(with(slurm, {{"SLURM_PROCID", "3"}, {"SLURM_LOCALID", "1"}}))->port);
  EXPECT_NE(found->port, read(with(slurm, {{"SLURM_JOB_ID", "78"}}))->port);
  EXPECT_EQ(read(with(slurm, {{"MASTER_ADDR", "head"}, {"MASTER_PORT", "4000"}}))->port, 4000);
}

TEST(RankEnvironmentTest, SlurmHosts) {
  EXPECT_EQ(firstSlurmHost("gpu[03-05,9],login1"), "gpu03");
  EXPECT_EQ(firstSlurmHost("a1,gpu[1-2]"), "a1");
  EXPECT_EQ(firstSlurmHost("gpu[7,9]"), "gpu7");
  EXPECT_EQ(firstSlurmHost("single"), "single");
}

TEST(RankEnvironmentTest, Mpi) {
  auto ompi = read({{"OMPI_COMM_WORLD_RANK", "1"},
                    {"OMPI_COMM_WORLD_SIZE", "2"},
                    {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                    {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                    {"PMIX_NAMESPACE", "x"}});
  ASSERT_TRUE(bool(ompi));
  EXPECT_EQ(ompi->rank, 1u);
  EXPECT_EQ(ompi->host, "127.0.0.1");
  EXPECT_EQ(ompi->launcher, "Open MPI");
  auto mpich = read({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}});
  ASSERT_TRUE(bool(mpich));
  EXPECT_EQ(mpich->size, 2u);
  EXPECT_EQ(mpich->launcher, "MPICH");
}

TEST(RankEnvironmentTest, TheInnerLauncherCounts) {
  // srun starts torchrun once a node, and torchrun the ranks.
  auto found = read(with(torchrun, slurm));
  ASSERT_TRUE(bool(found));
  EXPECT_EQ(found->rank, 5u);
  EXPECT_EQ(found->launcher, "torchrun");
  auto ours = read(with(slurm, {{"DANAUS_RANK", "1"},
                                {"DANAUS_SIZE", "3"},
                                {"DANAUS_PORT", "5000"},
                                {"DANAUS_TOKEN", "t"}}));
  ASSERT_TRUE(bool(ours));
  EXPECT_EQ(ours->size, 3u);
  EXPECT_EQ(ours->host, "127.0.0.1");
  EXPECT_EQ(ours->launcher, launchedByUs);
}

TEST(RankEnvironmentTest, SaysWhatIsWrong) {
  Variables byHand = torchrun;
  byHand.erase("TORCHELASTIC_RUN_ID");
  struct Case {
    Variables variables;
    const char *words;
  };
  for (const Case &each :
       {Case{{{"RANK", "1"}}, "RANK is set, but not WORLD_SIZE"},
        Case{{{"WORLD_SIZE", "4"}}, "WORLD_SIZE is set, but not RANK"},
        Case{with(torchrun, {{"RANK", "8"}}), "RANK=8 and WORLD_SIZE=8 contradict"},
        Case{with(torchrun, {{"RANK", "one"}}), "RANK is 'one', which is no number"},
        Case{with(torchrun, {{"LOCAL_RANK", "4"}}), "LOCAL_RANK and LOCAL_WORLD_SIZE contradict"},
        Case{with(torchrun, {{"MASTER_PORT", "99999"}}), "MASTER_PORT is '99999'"},
        Case{with(byHand, slurm), "RANK=5, WORLD_SIZE=8 contradict Slurm"},
        Case{{{"OMPI_COMM_WORLD_RANK", "0"},
              {"OMPI_COMM_WORLD_SIZE", "4"},
              {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}},
             "MASTER_ADDR does not say"}}) {
    auto found = read(each.variables);
    ASSERT_FALSE(bool(found)) << each.words;
    EXPECT_EQ(found.error().code(), ExitCode::Usage);
    EXPECT_NE(found.error().message().find(each.words), std::string::npos)
        << found.error().message();
  }
}
