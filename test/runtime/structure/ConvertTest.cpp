// Files of tensors for models of another structure: names, shapes, what is missing or left over.
#include "runtime/structure/ConvertWeights.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <random>
#include <unistd.h>

using namespace danaus;

namespace {

struct Tensor {
  std::string name;
  std::vector<uint64_t> shape;
};

uint64_t countOf(const std::vector<uint64_t> &shape) {
  uint64_t count = 1;
  for (uint64_t size : shape)
    count *= size;
  return count;
}

class Convert : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "danaus-XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  /// A file of random tensors.
  SafetensorsFile fileOf(const std::vector<Tensor> &tensors) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<TensorRef> refs;
    for (const Tensor &tensor : tensors) {
      std::vector<float> &values = content[tensor.name];
      values.resize(countOf(tensor.shape));
      for (float &value : values)
        value = normal(random);
      refs.push_back({tensor.name, tensor.shape, values.data()});
    }
    std::string path = folder + "/w.safetensors";
    EXPECT_TRUE(bool(writeSafetensors(path, refs)));
    auto file = SafetensorsFile::open(path);
    EXPECT_TRUE(bool(file));
    return std::move(*file);
  }

  const fb::Phase &phaseOf(const std::vector<Tensor> &parameters,
                           const std::vector<std::tuple<std::string, uint64_t, uint64_t>> &layers) {
    fb::PhaseT phase;
    for (const Tensor &own : parameters) {
      auto parameter = std::make_unique<fb::ParameterT>();
      parameter->name = own.name;
      parameter->shape = own.shape;
      parameter->init = std::make_unique<fb::InitT>();
      phase.parameters.push_back(std::move(parameter));
    }
    for (const auto &[name, in, out] : layers) {
      auto layer = std::make_unique<fb::LayerT>();
      layer->name = name;
      layer->structure = "any";
      layer->in_features = in;
      layer->out_features = out;
      phase.layers.push_back(std::move(layer));
    }
    builder.Clear();
    builder.Finish(fb::Phase::Pack(builder, &phase));
    return *flatbuffers::GetRoot<fb::Phase>(builder.GetBufferPointer());
  }

  std::string folder;
  std::map<std::string, std::vector<float>> content;
  flatbuffers::FlatBufferBuilder builder;
};

TEST_F(Convert, EveryKindOfLinearAndWhatStays) {
  SafetensorsFile file = fileOf({{"patch.weight", {12, 3, 2, 2}},
                                 {"patch.bias", {12}},
                                 {"norm.weight", {12}},
                                 {"fc.weight", {10, 12}},
                                 {"head.down.weight", {2, 10}},
                                 {"head.up.weight", {5, 2}},
                                 {"diagonal.weight", {9, 8}},
                                 {"dense.blkdiag", {2, 3, 4}}});
  const fb::Phase &phase = phaseOf(
      {{"patch.down.weight", {3, 12}},
       {"patch.up.weight", {12, 3}},
       {"patch.bias", {12}},
       {"norm.weight", {12}},
       {"fc.blkdiag1", {4, 3, 3}},
       {"fc.blkdiag2", {4, 3, 3}},
       {"head.weight", {5, 10}},
       {"diagonal.blkdiag", {3, 3, 3}},
       {"dense.weight", {5, 7}}},
      {{"patch", 12, 12}, {"fc", 12, 10}, {"head", 10, 5}, {"diagonal", 8, 9}, {"dense", 7, 5}});
  auto converted = convertWeights(sourceOf(file), phase);
  ASSERT_TRUE(bool(converted)) << converted.error().message();
  ASSERT_EQ(converted->values.size(), 9u);
  for (size_t i = 0; i < 9; ++i)
    EXPECT_EQ(converted->values[i].size(),
              countOf({phase.parameters()->Get(unsigned(i))->shape()->begin(),
                       phase.parameters()->Get(unsigned(i))->shape()->end()}));
  EXPECT_EQ(converted->values[2], content["patch.bias"]);
  EXPECT_EQ(converted->values[3], content["norm.weight"]);
  ASSERT_EQ(converted->layers.size(), 5u);
  std::map<std::string, LayerConversion> layers;
  for (const LayerConversion &layer : converted->layers)
    layers[layer.name] = layer;
  EXPECT_EQ(layers["patch"].after.describe(), "low_rank r=3");
  EXPECT_EQ(layers["patch"].before.parameters(), 144u);
  EXPECT_EQ(layers["patch"].after.parameters(), 72u);
  EXPECT_GT(layers["patch"].relativeError, 0.1);
  EXPECT_EQ(layers["fc"].after.describe(), "monarch N=4");
  EXPECT_EQ(layers["head"].before.describe(), "low_rank r=2");
  EXPECT_EQ(layers["head"].relativeError, 0);
  EXPECT_EQ(layers["diagonal"].after.describe(), "block_diagonal N=3");
  EXPECT_GT(layers["diagonal"].relativeError, 0.1);
  EXPECT_EQ(layers["dense"].before.describe(), "block_diagonal N=2");
  EXPECT_EQ(layers["dense"].relativeError, 0);
  EXPECT_EQ(converted->values[7][0], content["diagonal.weight"][0]);
  // head.weight = up down.
  for (size_t o = 0; o < 5; ++o)
    for (size_t i = 0; i < 10; ++i) {
      double sum = 0;
      for (size_t t = 0; t < 2; ++t)
        sum +=
            double(content["head.up.weight"][o * 2 + t]) * content["head.down.weight"][t * 10 + i];
      EXPECT_NEAR(converted->values[6][o * 10 + i], sum, 1e-6);
    }
  EXPECT_EQ(describeConversions({layers["head"]}),
            "1 linear converted (low_rank r=2 to dense, relative error 0 to 0)");
}

/// What the optimizer remembers goes with the weights: as it is where they stay.
TEST_F(Convert, StateOfWhatStaysAndOfWhatChanges) {
  SafetensorsFile file = fileOf({{"a.weight", {6, 8}}, {"a.bias", {6}}});
  std::vector<float> weight(48, 2), bias{1, 2, 3, 4, 5, 6};
  std::vector<TensorRef> state{{"a.weight.exp_avg", {6, 8}, weight.data()},
                               {"a.bias.exp_avg", {6}, bias.data()}};
  const fb::Phase &phase =
      phaseOf({{"a.down.weight", {3, 8}}, {"a.up.weight", {6, 3}}, {"a.bias", {6}}}, {{"a", 8, 6}});
  auto weights = convertWeights(sourceOf(file), phase);
  ASSERT_TRUE(bool(weights)) << weights.error().message();
  auto moments =
      convertState(sourceOf("the state", state), ".exp_avg", Moment::First, *weights, phase);
  ASSERT_TRUE(bool(moments)) << moments.error().message();
  EXPECT_EQ((*moments)[2], bias);
  // down's is up^T G, up's is G down^T, and all of G is 2.
  for (size_t t = 0; t < 3; ++t) {
    double up = 0, down = 0;
    for (size_t o = 0; o < 6; ++o)
      up += 2 * double(weights->values[1][o * 3 + t]);
    for (size_t i = 0; i < 8; ++i)
      down += 2 * double(weights->values[0][t * 8 + i]);
    for (size_t i = 0; i < 8; ++i)
      EXPECT_NEAR((*moments)[0][t * 8 + i], up, 1e-5);
    for (size_t o = 0; o < 6; ++o)
      EXPECT_NEAR((*moments)[1][o * 3 + t], down, 1e-5);
  }
  auto missing =
      convertState(sourceOf("the state", state), ".exp_avg_sq", Moment::Second, *weights, phase);
  ASSERT_FALSE(bool(missing));
  EXPECT_EQ(missing.error().message(), "the state has no a.weight.exp_avg_sq");
}

TEST_F(Convert, ErrorsAboveTheLimit) {
  SafetensorsFile file = fileOf({{"a.weight", {6, 8}}});
  auto converted = convertWeights(
      sourceOf(file), phaseOf({{"a.down.weight", {1, 8}}, {"a.up.weight", {6, 1}}}, {{"a", 8, 6}}));
  ASSERT_TRUE(bool(converted));
  EXPECT_TRUE(bool(checkErrors(converted->layers, 1)));
  Status status = checkErrors(converted->layers, 0.1);
  ASSERT_FALSE(bool(status));
  EXPECT_NE(status.error().message().find("a as low_rank r=1 has a relative error of 0."),
            std::string::npos);
}

/// The same structure with other sizes is a conversion too.
TEST_F(Convert, AnotherRank) {
  SafetensorsFile file = fileOf({{"a.down.weight", {4, 9}}, {"a.up.weight", {6, 4}}});
  auto converted = convertWeights(
      sourceOf(file), phaseOf({{"a.down.weight", {6, 9}}, {"a.up.weight", {6, 6}}}, {{"a", 9, 6}}));
  ASSERT_TRUE(bool(converted)) << converted.error().message();
  EXPECT_LE(converted->layers.at(0).relativeError, 1e-6);
}

TEST_F(Convert, WhatDoesNotFitIsATable) {
  SafetensorsFile file =
      fileOf({{"a.weight", {6, 8}}, {"a.bias", {6}}, {"old.bias", {3}}, {"b.weight", {5, 5}}});
  auto converted = convertWeights(
      sourceOf(file),
      phaseOf(
          {{"a.down.weight", {2, 8}}, {"a.up.weight", {7, 2}}, {"a.bias", {7}}, {"b.bias", {5}}},
          {{"a", 8, 7}}));
  ASSERT_FALSE(bool(converted));
  EXPECT_EQ(converted.error().code(), ExitCode::CheckpointInvalid);
  std::string message = converted.error().message();
  for (const char *part :
       {"a.weight", "the model has [7, 8], the file [6, 8]", "a.bias",
        "the model has [7], the file [6]", "b.bias", "missing; the model has [5]", "old.bias",
        "not in the model; the file has [3]", "b.weight"})
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
}

} // namespace
