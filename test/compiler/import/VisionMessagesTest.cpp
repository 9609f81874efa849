// Every way in which the layers of vision models are wrong or do not fit their input.
// What is expected is all that a user sees: place, text, line and caret.
#include "ImportText.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

struct VisionCase {
  const char *name, *shape, *layers, *rest, *expected;

  std::string spec() const {
    std::string end = *rest ? std::string(rest) + "\n" : "";
    return std::string("name: m\nmodel:\n  input: {shape: ") + shape + "}\n  layers:\n" + layers +
           "data: {name: mnist}\n" + end;
  }
};

std::ostream &operator<<(std::ostream &stream, const VisionCase &each) {
  return stream << each.name;
}

const VisionCase cases[] = {
    {"ImageWithoutChannels", "[28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 8}
)~",
     "",
     R"~(bad.yaml:5:7: error: layer patch_embed cuts images of shape (channels, height, width), but a sample here is 28x28; write input: {shape: [1, 28, 28]}
    - patch_embed: {patch: 4, dim: 8}
      ^
)~"},
    {"NoImage", "[784]",
     R"~(    - patch_embed: {patch: 4, dim: 8}
)~",
     "",
     R"~(bad.yaml:5:7: error: layer patch_embed cuts images of shape (channels, height, width), but a sample here is 784; write input: {shape: [channels, height, width]}, and put no layer before it that changes the shape
    - patch_embed: {patch: 4, dim: 8}
      ^
)~"},
    {"PatchDoesNotDivide", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 5, dim: 8}
)~",
     "",
     R"~(bad.yaml:5:28: error: patch = 5 does not divide the images of 28 x 28 pixels; use 4 or 7
    - patch_embed: {patch: 5, dim: 8}
                           ^
)~"},
    {"PatchDividesTheHeightOnly", "[3, 32, 24]",
     R"~(    - patch_embed: {patch: 16, dim: 8}
)~",
     "",
     R"~(bad.yaml:5:28: error: patch = 16 does not divide the images of 32 x 24 pixels; use 8
    - patch_embed: {patch: 16, dim: 8}
                           ^
)~"},
    {"PatchMissing", "[1, 28, 28]",
     R"~(    - patch_embed: {dim: 8}
)~",
     "",
     R"~(bad.yaml:5:20: error: model.layers.0.patch_embed: missing key 'patch': an integer from 1 to 16777216
    - patch_embed: {dim: 8}
                   ^
)~"},
    {"HeadsDoNotDivide", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 64}
    - attention: {heads: 5}
)~",
     "",
     R"~(bad.yaml:6:26: error: heads = 5 does not divide the 64 features of a token in layer attention; use 4 or 8
    - attention: {heads: 5}
                         ^
)~"},
    {"MoreHeadsThanFeatures", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 64}
    - attention: {name: attn, heads: 65}
)~",
     "",
     R"~(bad.yaml:6:38: error: heads = 65 does not divide the 64 features of a token in layer attn; use 64
    - attention: {name: attn, heads: 65}
                                     ^
)~"},
    {"HeadsMisspelt", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 64}
    - attention: {head: 4}
)~",
     "",
     R"~(bad.yaml:6:18: error: model.layers.1.attention: missing key 'heads': an integer from 1 to 16777216
    - attention: {head: 4}
                 ^
bad.yaml:6:19: error: model.layers.1.attention: unknown key 'head'; did you mean 'heads'?
    - attention: {head: 4}
                  ^
)~"},
    {"ClassTokenWithoutTokens", "[64]",
     R"~(    - class_token
)~",
     "",
     R"~(bad.yaml:5:7: error: layer class_token works on tokens: a sample must have the shape (tokens, features), but here it is 64; put the layer behind - patch_embed: {patch: ..., dim: ...}
    - class_token
      ^
)~"},
    {"PositionsWithoutTokens", "[64]",
     R"~(    - position_embedding: {name: where}
)~",
     "",
     R"~(bad.yaml:5:7: error: layer where works on tokens: a sample must have the shape (tokens, features), but here it is 64; put the layer behind - patch_embed: {patch: ..., dim: ...}
    - position_embedding: {name: where}
      ^
)~"},
    {"MeanWithoutTokens", "[64]",
     R"~(    - mean_tokens
)~",
     "",
     R"~(bad.yaml:5:7: error: layer mean_tokens works on tokens: a sample must have the shape (tokens, features), but here it is 64; put the layer behind - patch_embed: {patch: ..., dim: ...}
    - mean_tokens
      ^
)~"},
    {"AttentionOnImages", "[1, 28, 28]",
     R"~(    - attention: {heads: 4}
)~",
     "",
     R"~(bad.yaml:5:7: error: layer attention works on tokens: a sample must have the shape (tokens, features), but here it is 1x28x28; put the layer behind - patch_embed: {patch: ..., dim: ...}
    - attention: {heads: 4}
      ^
)~"},
    {"TokensMixedWithoutTokens", "[64]",
     R"~(    - mlp: {hidden: 8, over: tokens}
)~",
     "",
     R"~(bad.yaml:5:7: error: layer mlp works on tokens: a sample must have the shape (tokens, features), but here it is 64; put the layer behind - patch_embed: {patch: ..., dim: ...}
    - mlp: {hidden: 8, over: tokens}
      ^
)~"},
    {"OverMisspelt", "[64]",
     R"~(    - mlp: {hidden: 8, over: token}
)~",
     "",
     R"~(bad.yaml:5:30: error: model.layers.0.mlp.over: unknown value 'token'; did you mean 'tokens'?
    - mlp: {hidden: 8, over: token}
                             ^
)~"},
    {"HiddenMissing", "[64]",
     R"~(    - mlp: {activation: relu}
)~",
     "",
     R"~(bad.yaml:5:12: error: model.layers.0.mlp: missing key 'hidden': an integer from 1 to 16777216
    - mlp: {activation: relu}
           ^
)~"},
    {"HiddenTooLarge", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 64}
    - mlp: {hidden: 16777216}
)~",
     "",
     R"~(bad.yaml:6:21: error: the result of layer mlp.fc1 would be 6272x16777216, more than 2^31 (2147483648) elements
    - mlp: {hidden: 16777216}
                    ^
)~"},
    {"SelectedTwice", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 64}
    - select_token: 0
    - select_token: 0
)~",
     "",
     R"~(bad.yaml:7:7: error: layer select_token_1 works on tokens: a sample must have the shape (tokens, features), but here it is 64; put the layer behind - patch_embed: {patch: ..., dim: ...}
    - select_token: 0
      ^
)~"},
    {"SelectedBehindTheLast", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 64}
    - select_token: 49
)~",
     "",
     R"~(bad.yaml:6:21: error: there is no token 49 for layer select_token: the 49 tokens are 0 to 48
    - select_token: 49
                    ^
)~"},
    {"SelectedBeforeTheFirst", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 64}
    - select_token: -1
)~",
     "",
     R"~(bad.yaml:6:21: error: model.layers.1.select_token: -1 is out of range: expected an integer from 0 to 16777216
    - select_token: -1
                    ^
)~"},
    {"EpsilonOfZero", "[64]",
     R"~(    - layer_norm: {eps: 0}
)~",
     "",
     R"~(bad.yaml:5:25: error: model.layers.0.layer_norm.eps: 0 is out of range: expected a number above 0.0
    - layer_norm: {eps: 0}
                        ^
)~"},
    {"DropoutOfEverything", "[64]",
     R"~(    - dropout: 1.0
)~",
     "",
     R"~(bad.yaml:5:16: error: model.layers.0.dropout: 1.0 is out of range: expected a number of at least 0.0 and below 1.0
    - dropout: 1.0
               ^
)~"},
    {"DropoutBelowZero", "[64]",
     R"~(    - dropout: -0.1
)~",
     "",
     R"~(bad.yaml:5:16: error: model.layers.0.dropout: -0.1 is out of range: expected a number of at least 0.0 and below 1.0
    - dropout: -0.1
               ^
)~"},
    {"DropoutWithoutRate", "[64]",
     R"~(    - dropout
)~",
     "",
     R"~(bad.yaml:5:7: error: model.layers.0: layer 'dropout' does not stand alone: it takes a number of at least 0.0 and below 1.0
    - dropout
      ^
)~"},
    {"DropoutOfAttention", "[64]",
     R"~(    - attention: {heads: 2, dropout: 2}
)~",
     "",
     R"~(bad.yaml:5:38: error: model.layers.0.attention.dropout: 2 is out of range: expected a number of at least 0.0 and below 1.0
    - attention: {heads: 2, dropout: 2}
                                     ^
)~"},
    {"DropoutOfMlp", "[64]",
     R"~(    - mlp: {hidden: 8, dropout: 1}
)~",
     "",
     R"~(bad.yaml:5:33: error: model.layers.0.mlp.dropout: 1 is out of range: expected a number of at least 0.0 and below 1.0
    - mlp: {hidden: 8, dropout: 1}
                                ^
)~"},
    {"DropPathOfEverything", "[64]",
     R"~(    - residual: [relu, {drop_path: 1}]
)~",
     "",
     R"~(bad.yaml:5:36: error: model.layers.0.residual.1.drop_path: 1 is out of range: expected a number of at least 0.0 and below 1.0
    - residual: [relu, {drop_path: 1}]
                                   ^
)~"},
    {"DropPathOutsideOfAResidual", "[64]",
     R"~(    - drop_path: 0.1
)~",
     "",
     R"~(bad.yaml:5:7: error: model: drop_path leaves out the branch of a residual, so it must be the last layer of one: - residual: [..., {drop_path: 0.1}]
    - drop_path: 0.1
      ^
)~"},
    {"DropPathNotAtTheEnd", "[64]",
     R"~(    - residual: [{drop_path: 0.1}, relu]
)~",
     "",
     R"~(bad.yaml:5:19: error: model: drop_path leaves out the branch of a residual, so it must be the last layer of one: - residual: [..., {drop_path: 0.1}]
    - residual: [{drop_path: 0.1}, relu]
                  ^
)~"},
    {"DropPathInARepeatOfABranch", "[64]",
     R"~(    - residual: [{repeat: 2, layers: [relu, {drop_path: 0.1}]}]
)~",
     "",
     R"~(bad.yaml:5:46: error: model: drop_path leaves out the branch of a residual, so it must be the last layer of one: - residual: [..., {drop_path: 0.1}]
    - residual: [{repeat: 2, layers: [relu, {drop_path: 0.1}]}]
                                             ^
)~"},
    {"RuleMatchesTheLayerButNoLinear", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 64}
    - attention: {name: attn, heads: 4}
    - mean_tokens
    - linear: {out: 10}
)~",
     R"~(structure:
  - {match: "attn", kind: monarch, nblocks: 4})~",
     R"~(bad.yaml:11:13: error: no linear layer matches 'attn'; nearest: attn.q, attn.k, attn.v
  - {match: "attn", kind: monarch, nblocks: 4}
            ^
)~"},
    {"EndsWithTokens", "[1, 28, 28]",
     R"~(    - patch_embed: {patch: 4, dim: 64}
    - class_token
)~",
     "",
     R"~(bad.yaml:6:7: error: the model ends with shape 128x50x64; the loss needs one vector per image: add - flatten, or of tokens - mean_tokens or - select_token: 0
    - class_token
      ^
)~"},
};

class VisionMessages : public testing::TestWithParam<VisionCase> {};

TEST_P(VisionMessages, AreExact) {
  EXPECT_EQ(importMessages(GetParam().spec()), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(All, VisionMessages, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

} // namespace
} // namespace danaus::spec
