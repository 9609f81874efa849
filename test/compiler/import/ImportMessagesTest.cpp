// Every way in which layers, their names, sizes and structures do not fit together.
// What is expected is all that a user sees: place, text, line, caret and notes.
#include "ImportText.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

struct ImportCase {
  const char *name, *shape, *layers, *rest, *expected;

  std::string spec() const {
    std::string end = *rest ? std::string(rest) + "\n" : "";
    return std::string("name: m\nmodel:\n  input: {shape: ") + shape + "}\n  layers:\n" + layers +
           "data: {name: mnist}\n" + end;
  }
};

std::ostream &operator<<(std::ostream &stream, const ImportCase &each) {
  return stream << each.name;
}

const ImportCase cases[] = {
    {"RankExceeds", "[128]",
     R"~(    - linear: {name: hidden, out: 200}
    - linear: {name: fc, out: 10}
)~",
     R"~(structure:
  - {match: "hidden", kind: low_rank, rank: 200})~",
     R"~(bad.yaml:9:45: error: rank 200 exceeds min(in, out) = 128 of layer hidden
  - {match: "hidden", kind: low_rank, rank: 200}
                                            ^
bad.yaml:5:7: note: the layer is hidden (128 -> 200)
    - linear: {name: hidden, out: 200}
      ^
)~"},
    {"BlocksExceed", "[128]",
     R"~(    - linear: {name: fc, out: 10}
)~",
     R"~(structure:
  - {match: "fc", kind: monarch, nblocks: 16})~",
     R"~(bad.yaml:8:43: error: nblocks = 16 exceeds min(in, out) = 10 of layer fc
  - {match: "fc", kind: monarch, nblocks: 16}
                                          ^
bad.yaml:5:7: note: the layer is fc (128 -> 10)
    - linear: {name: fc, out: 10}
      ^
)~"},
    {"BlocksWithoutInput", "[10]",
     R"~(    - linear: {name: hidden, out: 64}
    - linear: {name: fc, out: 10}
)~",
     R"~(structure:
  - {match: "hid*", kind: monarch, nblocks: 7})~",
     R"~(bad.yaml:9:45: error: nblocks = 7 does not divide anything useful: the 10 inputs of layer hidden, 2 to a block, fill only 5 blocks; use nblocks: 5
  - {match: "hid*", kind: monarch, nblocks: 7}
                                            ^
bad.yaml:5:7: note: the layer is hidden (10 -> 64)
    - linear: {name: hidden, out: 64}
      ^
)~"},
    {"RuleMatchesNothing", "[128]",
     R"~(    - repeat: 2
      name: hidden
      layers: [{linear: {out: 8, activation: relu}}]
    - linear: {name: fc, out: 10}
)~",
     R"~(structure:
  - {match: "hiden.*", kind: low_rank, rank: 4})~",
     R"~(bad.yaml:11:13: error: no linear layer matches 'hiden.*'; nearest: hidden.0, hidden.1, fc
  - {match: "hiden.*", kind: low_rank, rank: 4}
            ^
)~"},
    {"RuleMatchesOnlyActivation", "[128]",
     R"~(    - linear: {name: fc, out: 10}
    - relu
)~",
     R"~(structure:
  - {match: "relu", kind: low_rank, rank: 4})~",
     R"~(bad.yaml:9:13: error: no linear layer matches 'relu'; nearest: fc
  - {match: "relu", kind: low_rank, rank: 4}
            ^
)~"},
    {"RuleWithoutLinears", "[128]",
     R"~(    - flatten
)~",
     R"~(structure:
  - {match: "*", kind: low_rank, rank: 4})~",
     R"~(bad.yaml:8:13: error: no linear layer matches '*'; the model has none
  - {match: "*", kind: low_rank, rank: 4}
            ^
)~"},
    {"GlobUnclosed", "[128]",
     R"~(    - linear: {name: fc, out: 10}
)~",
     R"~(structure:
  - {match: "f[c", kind: low_rank, rank: 4})~",
     R"~(bad.yaml:8:13: error: 'f[c' is not a glob of *, ? and [...]: invalid glob pattern, unmatched '['
  - {match: "f[c", kind: low_rank, rank: 4}
            ^
)~"},
    {"SameNames", "[128]",
     R"~(    - linear: {name: fc, out: 8}
    - linear: {name: fc, out: 10}
)~",
     "",
     R"~(bad.yaml:6:22: error: two layers of one scope are called 'fc'; give one another name
    - linear: {name: fc, out: 10}
                     ^
bad.yaml:5:22: note: the first is here
    - linear: {name: fc, out: 8}
                     ^
)~"},
    {"SameNamesThroughResidual", "[128]",
     R"~(    - linear: {name: fc, out: 128}
    - residual: [{linear: {name: fc, out: 128}}]
    - linear: {out: 10}
)~",
     "",
     R"~(bad.yaml:6:34: error: two layers of one scope are called 'fc'; give one another name
    - residual: [{linear: {name: fc, out: 128}}]
                                 ^
bad.yaml:5:22: note: the first is here
    - linear: {name: fc, out: 128}
                     ^
)~"},
    {"NameIsAType", "[128]",
     R"~(    - linear: {name: relu, out: 8}
    - relu
    - linear: {out: 10}
)~",
     "",
     R"~(bad.yaml:6:7: error: two layers of one scope are called 'relu'; give one another name
    - relu
      ^
bad.yaml:5:22: note: the first is here
    - linear: {name: relu, out: 8}
                     ^
)~"},
    {"NotFlattened", "[28, 28]",
     R"~(    - linear: {name: fc, out: 10}
)~",
     "",
     R"~(bad.yaml:5:7: error: the model ends with shape 128x28x10; the loss needs one vector per image: add - flatten, or of tokens - mean_tokens or - select_token: 0
    - linear: {name: fc, out: 10}
      ^
)~"},
    {"EndsWithActivationOnImages", "[28, 28]",
     R"~(    - relu
)~",
     "",
     R"~(bad.yaml:5:7: error: the model ends with shape 128x28x28; the loss needs one vector per image: add - flatten, or of tokens - mean_tokens or - select_token: 0
    - relu
      ^
)~"},
    {"ResidualChangesShape", "[128]",
     R"~(    - residual: [{linear: {out: 64}}]
    - linear: {name: fc, out: 10}
)~",
     "",
     R"~(bad.yaml:5:7: error: the branch turns 128x128 into 128x64; a residual adds the two, so they must be equal
    - residual: [{linear: {out: 64}}]
      ^
)~"},
    {"BatchTimesInput", "[4096]",
     R"~(    - linear: {name: fc, out: 10}
)~",
     R"~(train: {batch_size: 1048576})~",
     R"~(bad.yaml:7:21: error: a batch of inputs would be 1048576x4096, more than 2^31 (2147483648) elements
train: {batch_size: 1048576}
                    ^
)~"},
    {"ResultTooLarge", "[128]",
     R"~(    - linear: {out: 16777216}
    - linear: {name: fc, out: 10}
)~",
     R"~(train: {batch_size: 1024})~",
     R"~(bad.yaml:5:21: error: the result of layer linear would be 1024x16777216, more than 2^31 (2147483648) elements
    - linear: {out: 16777216}
                    ^
)~"},
    {"WeightTooLarge", "[128]",
     R"~(    - linear: {out: 65536}
    - linear: {out: 65537}
    - linear: {name: fc, out: 10}
)~",
     R"~(train: {batch_size: 1})~",
     R"~(bad.yaml:6:7: error: parameter linear_1.weight would be 65537x65536, more than 2^31 (2147483648) elements
    - linear: {out: 65537}
      ^
)~"},
    {"TooManyParameters", "[46340]",
     R"~(    - repeat: 600
      layers: [{linear: {out: 46340}}]
    - linear: {name: fc, out: 10}
)~",
     R"~(train: {batch_size: 1})~",
     R"~(bad.yaml:6:17: error: with repeat.512.weight the model has 1101637668880 parameters, more than 2^40 (1099511627776)
      layers: [{linear: {out: 46340}}]
                ^
)~"},
    {"LinearOfBatchOnly", "[1]",
     R"~(    - ops: {inputs: [x], steps: ["z = reshape(x, 128)"], output: z}
    - linear: {name: fc, out: 10}
)~",
     "",
     R"~(bad.yaml:6:7: error: layer fc needs at least one feature dimension beside the batch, its input is 128
    - linear: {name: fc, out: 10}
      ^
)~"},
    {"NoParameters", "[128]",
     R"~(    - flatten
)~",
     "",
     R"~(bad.yaml:3:3: error: the model has no parameters: there is nothing to train
  input: {shape: [128]}
  ^
)~"},
};

class ImportMessages : public testing::TestWithParam<ImportCase> {};

TEST_P(ImportMessages, AreExact) {
  EXPECT_EQ(importMessages(GetParam().spec()), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(All, ImportMessages, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

TEST(ImportMessagesOfPhases, PointAtThePhase) {
  std::string model = "name: m\nmodel:\n  input: {shape: [32]}\n  layers:\n"
                      "    - linear: {name: a, out: 16}\n    - linear: {out: 10}\n"
                      "data: {name: mnist}\n";
  std::string rules = "structure:\n  - {match: a, kind: low_rank, rank: 4}\n";
  EXPECT_EQ(importMessages(model + rules +
                           "train: {phases: [{epochs: 2, structure: dense}, {epochs: 3}]}\n"),
            "");
  // A change of the rate alone is one.
  EXPECT_EQ(importMessages(model + "train: {phases: [{epochs: 2}, {epochs: 3, lr_scale: 0.1}]}\n"),
            "");
  EXPECT_EQ(
      importMessages(model + "train: {phases: [{epochs: 2}, {epochs: 3, structure: dense}]}\n"),
      "bad.yaml:8:31: error: this phase changes nothing: it has the structure and the lr_scale "
      "of the one before; make one phase of the two, with epochs: 5\n"
      "train: {phases: [{epochs: 2}, {epochs: 3, structure: dense}]}\n"
      "                              ^\n");
  // Two phases whose ranks weights choose differ in what they choose.
  EXPECT_EQ(importMessages(model + "structure:\n  - {match: a, kind: low_rank, rank: auto}\n"
                                   "train:\n  phases:\n    - {epochs: 2, structure: dense}\n"
                                   "    - {epochs: 3}\n    - epochs: 3\n      structure:\n"
                                   "        - {match: a, kind: low_rank, rank: {energy: 0.5}}\n"),
            "");
  EXPECT_EQ(importMessages(model + rules + "train: {phases: [{epochs: 2, structure: dense}]}\n"),
            "bad.yaml:9:5: error: no phase uses the section 'structure': every one has its own; "
            "leave `structure` out in the phase that shall use it\n"
            "  - {match: a, kind: low_rank, rank: 4}\n"
            "    ^\n");
  EXPECT_EQ(importMessages(model + "train:\n  phases:\n    - {epochs: 2}\n    - epochs: 3\n"
                                   "      structure: [{match: a, kind: low_rank, rank: 17}]\n"),
            "bad.yaml:12:52: error: rank 17 exceeds min(in, out) = 16 of layer a\n"
            "      structure: [{match: a, kind: low_rank, rank: 17}]\n"
            "                                                   ^\n"
            "bad.yaml:5:7: note: the layer is a (32 -> 16)\n"
            "    - linear: {name: a, out: 16}\n"
            "      ^\n");
}

TEST(ImportMessagesOnTheCommandLine, PointIntoTheOverride) {
  std::string good = "name: m\nmodel:\n  input: {shape: [4096]}\n  layers:\n"
                     "    - linear: {out: 10}\ndata: {name: mnist}\n";
  EXPECT_EQ(importMessages(good), "");
  EXPECT_EQ(importMessages(good, {"train.epochs=1", "train.batch_size=1048576"}),
            "command line:2:18: error: a batch of inputs would be 1048576x4096, more than 2^31 "
            "(2147483648) elements\n"
            "train.batch_size=1048576\n"
            "                 ^\n");
}

} // namespace
} // namespace danaus::spec
