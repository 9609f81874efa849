// Names of other libraries: renamed, split and joined, there and back; wrong tables.
#include "runtime/structure/NameMap.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>

using namespace danaus;

namespace {

struct Named {
  std::string name;
  std::vector<uint64_t> shape;
  std::vector<float> values;
  Named(std::string name, std::vector<uint64_t> shape, float first)
      : name(std::move(name)), shape(std::move(shape)) {
    uint64_t count = 1;
    for (uint64_t size : this->shape)
      count *= size;
    values.resize(count);
    std::iota(values.begin(), values.end(), first);
  }
};

std::vector<TensorRef> refsOf(const std::vector<Named> &tensors) {
  std::vector<TensorRef> refs;
  for (const Named &each : tensors)
    refs.push_back({each.name, each.shape, each.values.data()});
  return refs;
}

std::vector<float> readAll(const WeightSource &source, const std::string &name, size_t count) {
  std::vector<float> values(count);
  Status status = source.read(name, values.data(), count);
  EXPECT_TRUE(bool(status)) << name;
  return values;
}

TEST(NameMap, TimmTransformerThereAndBack) {
  std::vector<Named> timm{{"cls_token", {1, 1, 4}, 0},
                          {"pos_embed", {1, 3, 4}, 10},
                          {"patch_embed.proj.weight", {4, 3, 2, 2}, 100},
                          {"blocks.0.norm1.weight", {4}, 200},
                          {"blocks.0.attn.qkv.weight", {12, 4}, 300},
                          {"blocks.0.attn.qkv.bias", {12}, 400},
                          {"blocks.0.attn.proj.weight", {4, 4}, 500},
                          {"blocks.11.norm2.bias", {4}, 600},
                          {"norm.weight", {4}, 700},
                          {"head.bias", {10}, 800}};
  auto map = NameMap::open("timm-vit");
  ASSERT_TRUE(bool(map));
  auto refs = refsOf(timm);
  WeightSource source = sourceOf("timm", refs);
  auto ours = map->toOurs(source);
  ASSERT_TRUE(bool(ours)) << ours.error().message();
  EXPECT_EQ(ours->tensors.size(), 14u);
  EXPECT_EQ(readAll(*ours, "class_token", 4), timm[0].values);
  EXPECT_EQ(readAll(*ours, "patch_embed.weight", 48), timm[2].values);
  EXPECT_EQ(readAll(*ours, "blocks.0.layer_norm_0.weight", 4), timm[3].values);
  EXPECT_EQ(readAll(*ours, "blocks.0.attn.k.weight", 16)[0], 316);
  EXPECT_EQ(readAll(*ours, "blocks.0.attn.v.bias", 4), (std::vector<float>{408, 409, 410, 411}));
  EXPECT_EQ(readAll(*ours, "blocks.0.attn.proj.weight", 16), timm[6].values);
  EXPECT_EQ(readAll(*ours, "blocks.11.layer_norm_1.bias", 4), timm[7].values);
  EXPECT_EQ(readAll(*ours, "layer_norm.weight", 4), timm[8].values);

  std::vector<Named> own;
  for (const TensorInfo &tensor : ours->tensors) {
    own.emplace_back(tensor.name, tensor.shape, 0.0f);
    own.back().values = readAll(*ours, tensor.name, own.back().values.size());
  }
  auto own_refs = refsOf(own);
  std::vector<std::vector<float>> values;
  auto back = map->toTheirs(own_refs, values);
  ASSERT_TRUE(bool(back)) << back.error().message();
  ASSERT_EQ(back->size(), timm.size());
  for (const Named &wanted : timm) {
    auto found = std::ranges::find(*back, wanted.name, &TensorRef::name);
    ASSERT_NE(found, back->end()) << wanted.name;
    EXPECT_EQ(found->shape, wanted.shape) << wanted.name;
    auto *content = static_cast<const float *>(found->data);
    EXPECT_TRUE(std::equal(wanted.values.begin(), wanted.values.end(), content)) << wanted.name;
  }
}

TEST(NameMap, EveryBuiltInTableIsWhole) {
  EXPECT_EQ(NameMap::builtIn().size(), 3u);
  for (const std::string &name : NameMap::builtIn())
    EXPECT_TRUE(bool(NameMap::open(name))) << name;
  auto map = NameMap::open("torchvision-vit");
  std::vector<Named> theirs{
      {"encoder.layers.encoder_layer_7.self_attention.in_proj_weight", {6, 2}, 0},
      {"encoder.layers.encoder_layer_7.mlp.3.bias", {2}, 50}};
  auto refs = refsOf(theirs);
  WeightSource source = sourceOf("torchvision", refs);
  auto ours = map->toOurs(source);
  ASSERT_TRUE(bool(ours));
  EXPECT_EQ(readAll(*ours, "blocks.7.attn.v.weight", 4), (std::vector<float>{8, 9, 10, 11}));
  EXPECT_EQ(readAll(*ours, "blocks.7.mlp.fc2.bias", 2), theirs[1].values);
}

TEST(NameMap, WrongTablesSayWhere) {
  struct Row {
    const char *text, *part;
  };
  for (Row row : {Row{"a\n", "t:1: 'a' has no name of ours"},
                  Row{"# c\n\na.* b\n", "t:3: both names"}, Row{"a b c\n", "the rank 'c'"},
                  Row{"a b 10\n", "the rank '10'"}, Row{"a b 2 d\n", "'d' is one word too many"},
                  Row{"a {b,c\n", "one pair of braces"}, Row{"a {b}{c}\n", "one pair of braces"}}) {
    auto map = NameMap::parse(row.text, "t");
    ASSERT_FALSE(bool(map)) << row.text;
    EXPECT_EQ(map.error().code(), ExitCode::Usage);
    EXPECT_NE(map.error().message().find(row.part), std::string::npos) << map.error().message();
  }
  auto none = NameMap::open("timm-vitt");
  ASSERT_FALSE(bool(none));
  EXPECT_NE(none.error().message().find("did you mean 'timm-vit'"), std::string::npos);
}

TEST(NameMap, WhatCannotBeSplitOrJoined) {
  auto map = NameMap::parse("qkv {q,k,v}\nother q\n", "t");
  ASSERT_TRUE(bool(map));
  std::vector<Named> uneven{{"qkv", {7}, 0}};
  auto refs = refsOf(uneven);
  WeightSource source = sourceOf("file", refs);
  auto split = map->toOurs(source);
  ASSERT_FALSE(bool(split));
  EXPECT_NE(split.error().message().find("qkv of shape [7] cannot be split into 3"),
            std::string::npos);
  std::vector<Named> twice{{"qkv", {6}, 0}, {"other", {2}, 0}};
  refs = refsOf(twice);
  WeightSource both = sourceOf("file", refs);
  auto doubled = map->toOurs(both);
  ASSERT_FALSE(bool(doubled));
  EXPECT_NE(doubled.error().message().find("two tensors become q"), std::string::npos);
  std::vector<Named> parts{{"q", {2}, 0}, {"v", {2}, 0}};
  refs = refsOf(parts);
  std::vector<std::vector<float>> values;
  auto joined = map->toTheirs(refs, values);
  ASSERT_FALSE(bool(joined));
  EXPECT_NE(joined.error().message().find("the parts of qkv"), std::string::npos);
}

} // namespace
