// The executor on a small model with real code: choosing a plan, views, steps.
#include "runtime/exec/Executor.h"

#include "runtime/exec/Initialize.h"
#include "runtime/plan/Control.h"
#include "test/runtime/plan/TestModel.h"

#include <gtest/gtest.h>

using namespace danaus;
using namespace danaus::test;

namespace {

using fb::ProgramKind;

class ExecutorTest : public testing::Test {
protected:
  TemporaryFolder folder;
  std::string path = folder.file("model.dnb");
  fb::ModelT model = makeModel();
  std::unique_ptr<Device> device = makeDevice("cpu", 2);
  std::unique_ptr<ModelFile> file;

  static std::unique_ptr<Device> makeDevice(const std::string &kind, unsigned threads) {
    Expected<std::unique_ptr<Device>> made = builtinDevices().create(kind, {threads});
    EXPECT_TRUE(made);
    return std::move(*made);
  }

  fb::TargetPlanT &plan() { return *model.phases[0]->targets[0]; }

  Expected<std::unique_ptr<Executor>> open(size_t phase = 0) {
    writeBytes(path, makeContainer(model, readBytes(TEST_KERNELS)));
    Expected<ModelFile> opened = ModelFile::open(path);
    if (!opened)
      return opened.takeError();
    file = std::make_unique<ModelFile>(std::move(*opened));
    return Executor::open(*file, *device, phase);
  }

  void expectError(Expected<std::unique_ptr<Executor>> executor, ExitCode code,
                   const std::string &part) {
    ASSERT_FALSE(executor);
    EXPECT_EQ(executor.error().code(), code);
    const std::string &message = executor.error().message();
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find("while loading " + path), std::string::npos) << message;
  }
};

TEST_F(ExecutorTest, ViewsAreWhereThePlanSays) {
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message();
  Executor &executor = **opened;
  ASSERT_EQ(executor.parameterCount(), 2u);
  EXPECT_EQ(executor.stateCount(), 1u);
  EXPECT_TRUE(executor.average(0).empty());
  EXPECT_EQ(executor.plannedBytes(), 704u);
  EXPECT_EQ(executor.threads(), 2u);
  auto floatsFrom = [&](size_t index, size_t count) {
    return std::span<float>(executor.parameter(0).data() + index, count);
  };
  auto expectAt = [&](std::span<const float> view, size_t byteOffset, size_t size) {
    EXPECT_EQ(view.data(), floatsFrom(byteOffset / 4, 1).data());
    EXPECT_EQ(view.size(), size);
  };
  expectAt(executor.parameter(1), 64, 2);
  expectAt(executor.gradient(0), 128, 6);
  expectAt(executor.gradient(1), 192, 2);
  expectAt(executor.state(0, 0), 256, 6);
  expectAt(executor.state(1, 0), 320, 2);
  expectAt(executor.input(), 384, 12);
  expectAt(executor.control(), 512, control::Count);
  expectAt(executor.metrics(), 576, metrics::Count);
  expectAt(executor.logits(), 640, 8);
  EXPECT_EQ(executor.label().size(), 4u);
  EXPECT_TRUE(executor.mixLabel().empty()); // a model that does not mix
  EXPECT_TRUE(executor.mixWeight().empty());
  EXPECT_EQ(static_cast<void *>(executor.label().data()), floatsFrom(448 / 4, 1).data());
  EXPECT_EQ(executor.findParameter("b"), 1u);
  EXPECT_EQ(executor.findParameter("c"), std::nullopt);
  for (float value : floatsFrom(0, 704 / 4))
    ASSERT_EQ(value, 0.0f);
}

TEST_F(ExecutorTest, RunsStepsOfBothPrograms) {
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message();
  Executor &executor = **opened;
  std::ranges::fill(executor.parameter(0), 10.0f);
  std::ranges::fill(executor.gradient(0), 2.0f);
  executor.control()[control::LearningRate] = 0.5f;
  ASSERT_TRUE(executor.run(ProgramKind::TrainStep));
  EXPECT_EQ(executor.parameter(0)[5], 9.0f);
  EXPECT_EQ(executor.metrics()[0], 54.0f);
  executor.parameter(0)[0] = 0;
  ASSERT_TRUE(executor.run(ProgramKind::EvalStep));
  EXPECT_EQ(executor.metrics()[0], 45.0f);
}

TEST_F(ExecutorTest, ListsAndTimesLaunches) {
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message();
  Executor &executor = **opened;
  EXPECT_EQ(executor.batch(ProgramKind::TrainStep), 4u);
  ASSERT_EQ(executor.launches(ProgramKind::TrainStep).size(), 2u);
  EXPECT_EQ(executor.launches(ProgramKind::TrainStep)[1]->kernel(), 1u);
  EXPECT_EQ(executor.launches(ProgramKind::EvalStep).size(), 1u);
  executor.setTiming(ProgramKind::TrainStep, Timing::On);
  ASSERT_TRUE(executor.run(ProgramKind::TrainStep));
  EXPECT_EQ(executor.launchSums(ProgramKind::TrainStep).size(), 2u);
  EXPECT_TRUE(executor.launchSums(ProgramKind::EvalStep).empty());
}

TEST_F(ExecutorTest, LogitsAreOptional) {
  plan().buffers[4]->role = fb::BufferRole::Scratch;
  auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_TRUE((*opened)->logits().empty());
}

TEST_F(ExecutorTest, MissingProgramIsAnError) {
  plan().programs.pop_back();
  auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->batch(ProgramKind::EvalStep), 0u);
  Status status = (*opened)->run(ProgramKind::EvalStep);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message().find("no program EvalStep"), std::string::npos);
}

TEST_F(ExecutorTest, ChoosesTheBestPlanThatRuns) {
  fb::ModelT second = makeModel();
  auto better = std::move(second.phases[0]->targets[0]);
  std::string best = device->isas().front();
  better->isa = best;
  model.phases[0]->targets.push_back(std::move(better));
  fb::ModelT third = makeModel();
  third.phases[0]->targets[0]->target = "abacus";
  model.phases[0]->targets.push_back(std::move(third.phases[0]->targets[0]));
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ((*opened)->plan().isa()->str(), best);
  EXPECT_EQ((*opened)->plan().target()->str(), "cpu");
}

TEST_F(ExecutorTest, NoPlanForThisDevice) {
  plan().target = "abacus";
  plan().isa = "sm_80";
  expectError(open(), ExitCode::DeviceUnavailable, "compiled for abacus:sm_80, but the device cpu");
}

TEST_F(ExecutorTest, NoSuchPhase) {
  expectError(open(1), ExitCode::Internal, "phase 1 of a model");
}

TEST_F(ExecutorTest, ArenaBeyondMemory) {
  plan().arena_bytes = uint64_t(1) << 60;
  expectError(open(), ExitCode::DeviceUnavailable, "this machine has");
}

TEST_F(ExecutorTest, CodeWithoutAKernel) {
  plan().kernels[0]->symbol = "nobody";
  expectError(open(), ExitCode::CheckpointInvalid, "no kernel nobody");
}

TEST_F(ExecutorTest, NullDeviceLoadsButComputesNothing) {
  device = makeDevice("null", 1);
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message();
  (*opened)->parameter(0)[0] = 5;
  ASSERT_TRUE((*opened)->run(ProgramKind::EvalStep));
  EXPECT_EQ((*opened)->metrics()[0], 0.0f);
}

TEST_F(ExecutorTest, InitialisesParametersOnly) {
  auto initial = [&](unsigned threads) {
    device = makeDevice("cpu", threads);
    auto opened = open();
    EXPECT_TRUE(opened);
    EXPECT_TRUE(initializeParameters(**opened, 3));
    EXPECT_EQ((*opened)->state(0, 0)[0], 0.0f);
    std::span<float> w = (*opened)->parameter(0);
    return std::vector<float>(w.begin(), w.end());
  };
  std::vector<float> alone = initial(1);
  EXPECT_EQ(alone, initial(3));
  std::vector<float> expected(6);
  initialize(expected, fb::InitKind::Uniform, 0.5, 3, "w");
  EXPECT_EQ(alone, expected);
}

} // namespace
