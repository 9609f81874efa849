// What linears would cost, from limits that are given.
#include "runtime/profile/LayerPrediction.h"

#include <gtest/gtest.h>

using namespace danaus;

namespace {
/// 197 tokens, 768 -> 768.
flatbuffers::DetachedBuffer layerOf(uint64_t macs, uint64_t denseMacs) {
  fb::LayerT layer;
  layer.name = "q";
  layer.structure = "monarch N=4";
  layer.in_features = layer.out_features = 768;
  layer.macs = macs;
  layer.dense_macs = denseMacs;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::CreateLayer(builder, &layer));
  return builder.Release();
}
} // namespace

TEST(LayerPrediction, TakesRowsAndWeightsFromTheTable) {
  auto buffer = layerOf(197 * 294'912, 197 * 589'824);
  auto size = sizeOf(*flatbuffers::GetRoot<fb::Layer>(buffer.data()), 8);
  ASSERT_TRUE(size);
  EXPECT_DOUBLE_EQ(size->rows, 197 * 8);
  EXPECT_DOUBLE_EQ(size->weights, 294'912);
  EXPECT_DOUBLE_EQ(denseTwin(*size).weights, 589'824);
  auto other = layerOf(10, 0);
  EXPECT_FALSE(sizeOf(*flatbuffers::GetRoot<fb::Layer>(other.data()), 8));
}

TEST(LayerPrediction, IsTheSlowerOfArithmeticAndTrafficThreeTimes) {
  LinearSize size{10, 4, 6, 24};
  EXPECT_DOUBLE_EQ(predictedMilliseconds(size, {480, 1e9, 1}), 3e3);     // 2 * 24 * 10 FLOP
  EXPECT_DOUBLE_EQ(predictedMilliseconds(size, {1e9, 4 * 124, 1}), 3e3); // 4 * (100 + 24) bytes
}

TEST(LayerPrediction, TakesTheUnitThatThePlanUses) {
  Roofline cpu{1e9, 1e9, 2, 12e9};
  auto of = [&](fb::DType dtype, uint32_t products) {
    return processorLimits(cpu, dtype, products);
  };
  auto floats = of(fb::DType::F32, 0), halves = of(fb::DType::BF16, 1);
  ASSERT_EQ(floats.size(), 4u);
  ASSERT_EQ(halves.size(), 4u);
  EXPECT_EQ(floats[0].name, "cpu");
  EXPECT_EQ(floats[2].name, "sm_80");
  EXPECT_GT(halves[2].limit.flops, 10 * floats[2].limit.flops) << "tensor cores";
  EXPECT_EQ(floats[0].limit.flops, 1e9);
  EXPECT_EQ(halves[0].limit.flops, 12e9);
  EXPECT_EQ(of(fb::DType::BF16, 0)[0].limit.flops, 1e9) << "emulated";
  EXPECT_EQ(of(fb::DType::F32, 6)[0].limit.flops, 2e9) << "in three terms of bfloat16";
  cpu.matrixFlops = 0;
  EXPECT_EQ(of(fb::DType::BF16, 1)[0].limit.flops, 1e9) << "a plan for another machine";
}
