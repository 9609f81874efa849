// Updates that ranks share: which elements are whose, where states lie, and what a step does over
// the ranks when.
#include "test/runtime/plan/TestModel.h"
#include "test/runtime/support/TempFolder.h"

#include "runtime/exec/Executor.h"
#include "runtime/plan/Control.h"

#include <gtest/gtest.h>

using namespace danaus;
using namespace danaus::test;

namespace {

/// Rank `rank` of `size`, whose others never come: writes down what it is asked for.
class LoneRank final : public Communicator {
public:
  LoneRank(unsigned rank, unsigned size) : Communicator(rank, size) {}
  Status sum(std::span<double>) override { return Status::ok(); }
  Status broadcast(std::span<std::byte>) override { return Status::ok(); }
  Status gather(std::span<const std::byte>, std::span<const uint64_t>,
                std::span<std::byte>) override {
    return Status::ok();
  }
  Expected<uint64_t> begin(Collective kind, Arena &, uint64_t offset, uint64_t elements) override {
    asked.push_back(format("%d at %d of %d", int(kind), int(offset), int(elements)));
    return uint64_t(asked.size());
  }
  Status finish(uint64_t number) override {
    asked.push_back(format("finish %d", int(number)));
    return Status::ok();
  }
  Status check() override { return Status::ok(); }
  void noteStep(uint64_t) override {}
  Status requestStop(uint64_t) override { return Status::ok(); }
  Expected<uint64_t> stopStep(uint64_t) override { return uint64_t(UINT64_MAX); }
  void fail(const Error &) override {}

  std::vector<std::string> asked;
};

/// Of the small model's parameters w has 40 elements at 0 and b two at 192; their gradients lie
/// from 256 on, and the momentum of a rank's 32 elements is at 512.
struct SharesTest : testing::Test {
  TemporaryFolder folder;
  fb::ModelT model = makeModel();
  std::unique_ptr<Device> device = std::move(*builtinDevices().create("cpu", {.threads = 1}));
  std::unique_ptr<ModelFile> file;

  SharesTest() {
    model.training->ranks = 2;
    model.dist->sharded = true;
    model.phases[0]->parameters[0]->shape = {40};
    auto &places = plan().places;
    places[0]->gradient_offset = 256;
    places[1]->offset = 192;
    places[1]->gradient_offset = 448;
    for (auto &place : places)
      place->state_offsets.clear();
    auto shard = std::make_unique<fb::ShardT>();
    shard->offset = 0;
    shard->gradient_offset = 256;
    shard->part_bytes = 128;
    shard->state_offsets = {512};
    plan().shards.push_back(std::move(shard));
  }

  fb::TargetPlanT &plan() { return *model.phases[0]->targets[0]; }

  std::unique_ptr<Executor> open(Communicator &ranks) {
    writeBytes(folder.file("model.dnb"), makeContainer(model, readBytes(TEST_KERNELS)));
    auto opened = ModelFile::open(folder.file("model.dnb"));
    EXPECT_TRUE(opened) << opened.error().message();
    file = std::make_unique<ModelFile>(std::move(*opened));
    auto executor = Executor::open(*file, *device, 0, &ranks);
    EXPECT_TRUE(executor) << executor.error().message();
    return std::move(*executor);
  }

  void begins(fb::CollectiveKind kind, uint32_t after, uint32_t before, uint64_t offset) {
    auto table = std::make_unique<fb::CollectiveT>();
    table->kind = kind;
    table->after = after;
    table->before = before;
    table->offset = offset;
    table->elements = 64;
    table->label = "all";
    plan().programs[0]->collectives.push_back(std::move(table));
  }
};

} // namespace

TEST_F(SharesTest, PartsCutThroughParameters) {
  for (unsigned rank : {0u, 1u}) {
    LoneRank ranks(rank, 2);
    auto executor = open(ranks);
    ASSERT_TRUE(executor->isSharded());
    auto expectShare = [&](size_t index, unsigned of, uint64_t first, uint64_t count) {
      Executor::Share share = executor->shareOf(index, of);
      EXPECT_EQ(share.count, count) << "parameter " << index << ", rank " << of;
      if (count)
        EXPECT_EQ(share.first, first) << "parameter " << index << ", rank " << of;
    };
    expectShare(0, 0, 0, 32);
    expectShare(0, 1, 32, 8);
    expectShare(1, 0, 0, 0);
    expectShare(1, 1, 0, 2);

    const float *arena = executor->parameter(0).data();
    std::span<float> w = executor->state(0, 0), b = executor->state(1, 0);
    EXPECT_EQ(w.data(), arena + 128) << "each rank holds its part at the same place";
    EXPECT_EQ(w.size(), rank == 0 ? 32u : 8u);
    EXPECT_EQ(b.size(), rank == 0 ? 0u : 2u);
    if (rank == 1)
      EXPECT_EQ(b.data(), arena + 128 + 16) << "48 is b's element, of which 32 are rank 0's";
    EXPECT_EQ(executor->ownParameter(0).data(), arena + 32 * rank);
    EXPECT_EQ(executor->ownParameter(0).size(), w.size());
  }
}

TEST_F(SharesTest, AnUpdateIsOfTheOwnPart) {
  plan().programs[0]->stages[0]->launches[0]->buffers = {0, 256, 512};
  plan().programs[0]->stages[0]->launches[0]->strides = {128, 128, 0};
  for (unsigned rank : {0u, 1u}) {
    LoneRank ranks(rank, 2);
    auto executor = open(ranks);
    std::ranges::fill(executor->parameter(0), 10.0f);
    std::ranges::fill(executor->gradient(0), 2.0f);
    executor->control()[control::LearningRate] = 0.5f;
    ASSERT_TRUE(executor->run(fb::ProgramKind::TrainStep));
    EXPECT_EQ(executor->parameter(0)[0], rank == 0 ? 9.0f : 10.0f);
    EXPECT_EQ(executor->parameter(0)[32], rank == 1 ? 9.0f : 10.0f);
    EXPECT_EQ(executor->parameter(0)[38], 10.0f) << "six tiles";
  }
}

TEST_F(SharesTest, RanksDoThePlansCollectivesInOrder) {
  begins(fb::CollectiveKind::ReduceScatter, 0, 1, 256);
  begins(fb::CollectiveKind::AllReduce, 1, 1, 384);
  begins(fb::CollectiveKind::AllGather, 2, 2, 0);
  LoneRank ranks(1, 2);
  auto executor = open(ranks);
  ASSERT_TRUE(executor->run(fb::ProgramKind::TrainStep));
  EXPECT_EQ(ranks.asked, (std::vector<std::string>{"1 at 256 of 64", "0 at 384 of 64", "finish 2",
                                                   "2 at 0 of 64", "finish 4"}));
  ranks.asked.clear();
  ASSERT_TRUE(executor->run(fb::ProgramKind::TrainStep, {}, Executor::Sums::Own));
  EXPECT_TRUE(ranks.asked.empty()) << "a micro-batch that is not the last";
  ASSERT_TRUE(executor->gatherParameters());
  EXPECT_EQ(ranks.asked, (std::vector<std::string>{"2 at 0 of 64", "finish 1"}));
}
