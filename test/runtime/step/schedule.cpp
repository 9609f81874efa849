// Learning rates against the formulas written out again, and against PyTorch's numbers.
#include "runtime/step/Schedule.h"
#include "runtime/plan/Control.h"
#include "runtime/step/LossScale.h"

#include <array>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>

using namespace danaus;

namespace {

/// A schedule from object tables.
Schedule makeSchedule(fb::ScheduleT schedule, uint64_t epochs, uint64_t stepsPerEpoch,
                      fb::OptimizerT optimizer = {}) {
  flatbuffers::FlatBufferBuilder first, second;
  first.Finish(fb::Schedule::Pack(first, &schedule));
  second.Finish(fb::Optimizer::Pack(second, &optimizer));
  return Schedule(*flatbuffers::GetRoot<fb::Schedule>(first.GetBufferPointer()),
                  *flatbuffers::GetRoot<fb::Optimizer>(second.GetBufferPointer()), epochs,
                  stepsPerEpoch, 0x0000000500000007);
}

fb::ScheduleT scheduleOf(fb::ScheduleKind kind, double lr) {
  fb::ScheduleT table;
  table.kind = kind;
  table.lr = lr;
  return table;
}

TEST(Schedule, ConstantStays) {
  Schedule schedule = makeSchedule(scheduleOf(fb::ScheduleKind::Constant, 0.01), 3, 10);
  EXPECT_EQ(schedule.learningRate(0), 0.01);
  EXPECT_EQ(schedule.learningRate(29), 0.01);
}

TEST(Schedule, StepFallsAtEpochBorders) {
  fb::ScheduleT table = scheduleOf(fb::ScheduleKind::Step, 1e-3);
  table.step_size = 10;
  table.gamma = 0.1;
  Schedule schedule = makeSchedule(table, 30, 430);
  EXPECT_EQ(schedule.learningRate(10 * 430 - 1), 1e-3);
  EXPECT_DOUBLE_EQ(schedule.learningRate(10 * 430), 1e-4);
  EXPECT_DOUBLE_EQ(schedule.learningRate(20 * 430 - 1), 1e-4);
  EXPECT_DOUBLE_EQ(schedule.learningRate(30 * 430 - 1), 1e-5);
}

TEST(Schedule, CosineWarmsUpAndFallsToItsMinimum) {
  fb::ScheduleT table = scheduleOf(fb::ScheduleKind::Cosine, 4.0);
  table.warmup_epochs = 0.5;
  table.min_lr = 1.0;
  Schedule schedule = makeSchedule(table, 2, 8); // W = 4, T = 16
  EXPECT_EQ(schedule.learningRate(0), 0);
  EXPECT_DOUBLE_EQ(schedule.learningRate(3), 3.0);
  EXPECT_DOUBLE_EQ(schedule.learningRate(4), 4.0);
  EXPECT_DOUBLE_EQ(schedule.learningRate(10), 2.5); // half-way
  for (uint64_t i = 4; i < 16; ++i)
    EXPECT_DOUBLE_EQ(schedule.learningRate(i), 1 + 1.5 * (1 + std::cos(M_PI * double(i - 4) / 12)));
  EXPECT_EQ(schedule.learningRate(16), 1.0);
}

TEST(Schedule, CosineMayWarmUpForTheWholeRun) {
  fb::ScheduleT table = scheduleOf(fb::ScheduleKind::Cosine, 4.0);
  table.warmup_epochs = 2;
  Schedule schedule = makeSchedule(table, 2, 8);
  EXPECT_DOUBLE_EQ(schedule.learningRate(15), 3.75);
  EXPECT_TRUE(std::isfinite(schedule.learningRate(16)));
}

TEST(Schedule, ControlHoldsAdamsCorrections) {
  fb::OptimizerT adam;
  adam.kind = fb::OptimizerKind::Adam;
  adam.beta1 = 0.9;
  adam.beta2 = 0.999;
  Schedule schedule =
      makeSchedule(scheduleOf(fb::ScheduleKind::Constant, 1e-3), 1, 100, std::move(adam));
  std::array<float, control::Count> values{};
  schedule.fillControl(0, 128, values);
  EXPECT_EQ(values[control::LearningRate], 1e-3f);
  EXPECT_EQ(values[control::InverseCount], 1.0f / 128);
  EXPECT_FLOAT_EQ(values[control::Correction1], 10.0f);
  EXPECT_FLOAT_EQ(values[control::Correction2], float(1 / std::sqrt(0.001)));
  EXPECT_EQ(values[control::FirstUpdate], 1.0f);
  schedule.fillControl(9, 88, values);
  EXPECT_EQ(values[control::InverseCount], float(1.0 / 88));
  EXPECT_FLOAT_EQ(values[control::Correction1], float(1 / (1 - std::pow(0.9, 10))));
  EXPECT_FLOAT_EQ(values[control::Correction2], float(1 / std::sqrt(1 - std::pow(0.999, 10))));
  EXPECT_EQ(values[control::FirstUpdate], 0.0f);
  EXPECT_EQ(values[control::GradientWeight], float(1.0 / 88));
  EXPECT_EQ(values[control::InverseScale], 1.0f);
  // Steps that made no update do not count for the corrections.
  schedule.fillControl(9, 88, values, 9);
  EXPECT_FLOAT_EQ(values[control::Correction1], 10.0f);
  EXPECT_EQ(values[control::FirstUpdate], 1.0f);
  EXPECT_EQ(std::bit_cast<uint32_t>(values[control::RandomStep]), 9u);
}

TEST(Schedule, SgdNeedsNoCorrections) {
  fb::OptimizerT sgd;
  sgd.kind = fb::OptimizerKind::Sgd;
  sgd.beta1 = 0.9; // must not matter
  Schedule schedule =
      makeSchedule(scheduleOf(fb::ScheduleKind::Constant, 1e-3), 1, 100, std::move(sgd));
  std::array<float, control::Count> values{};
  schedule.fillControl(0, 4, values);
  EXPECT_EQ(values[control::Correction1], 1.0f);
  EXPECT_EQ(values[control::Correction2], 1.0f);
}

TEST(Schedule, ControlHoldsTheWordsOfDropoutsCounters) {
  Schedule schedule = makeSchedule(scheduleOf(fb::ScheduleKind::Constant, 1e-3), 1, 100);
  std::array<float, control::Count> values{};
  schedule.fillControl(9, 1, values);
  EXPECT_EQ(std::bit_cast<uint32_t>(values[control::RandomKey0]), 7u);
  EXPECT_EQ(std::bit_cast<uint32_t>(values[control::RandomKey1]), 5u);
  EXPECT_EQ(std::bit_cast<uint32_t>(values[control::RandomStep]), 9u);
}

TEST(LossScale, HalvesAfterAnOverflowAndDoublesAfterManyGoodUpdates) {
  LossScale scale;
  std::array<float, control::Count> values{};
  values[control::InverseCount] = 0.25f;
  scale.fillControl(values);
  EXPECT_EQ(values[control::GradientWeight], 0.25f * 65536);
  EXPECT_EQ(values[control::InverseScale], 1.0f / 65536);
  EXPECT_FALSE(scale.update(std::numeric_limits<float>::infinity()));
  EXPECT_FALSE(scale.update(std::numeric_limits<float>::quiet_NaN()));
  EXPECT_EQ(scale.scale(), 16384);
  EXPECT_EQ(scale.skipped(), 2u);
  for (uint64_t i = 0; i + 1 < LossScale::GoodUpdates; ++i)
    EXPECT_TRUE(scale.update(1));
  EXPECT_EQ(scale.scale(), 16384);
  EXPECT_TRUE(scale.update(1));
  EXPECT_EQ(scale.scale(), 32768);
}

TEST(LossScale, IsHopelessOnlyAfterManyOverflows) {
  LossScale scale;
  int count = 0;
  for (; !scale.isHopeless() && count < 100; ++count)
    EXPECT_FALSE(scale.update(std::numeric_limits<float>::infinity()));
  EXPECT_EQ(count, 27); // from 2^16 to below 2^-10
}

/// A run that is resumed goes on as if it had not ended.
TEST(LossScale, ComesBackFromACheckpoint) {
  LossScale scale, resumed;
  (void)scale.update(std::numeric_limits<float>::infinity());
  for (int i = 0; i < 1500; ++i)
    (void)scale.update(1);
  std::map<std::string, double> sums;
  scale.save(sums);
  resumed.restore(sums);
  EXPECT_EQ(resumed.skipped(), 1u);
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(scale.update(1), resumed.update(1));
    EXPECT_EQ(scale.scale(), resumed.scale());
  }
  EXPECT_EQ(resumed.scale(), 65536);
}

} // namespace
