// Every way to get the structure, data and training sections wrong.
// What is expected is all that a user sees: place, text, line and caret.
#include "ReadText.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

const MessageCase cases[] = {
    {"RankForMonarch", 7, "structure:\n  - {match: \"*\", kind: monarch, nblocks: 4, rank: 4}",
     R"~(bad.yaml:8:45: error: structure.0: 'rank' goes only with kind: low_rank
  - {match: "*", kind: monarch, nblocks: 4, rank: 4}
                                            ^
)~"},
    {"BlocksForLowRank", 7, "structure:\n  - {match: \"*\", kind: low_rank, rank: 4, nblocks: 4}",
     R"~(bad.yaml:8:43: error: structure.0: 'nblocks' goes only with kind: monarch or block_diagonal
  - {match: "*", kind: low_rank, rank: 4, nblocks: 4}
                                          ^
)~"},
    {"RankMissing", 7, "structure:\n  - {match: \"*\", kind: low_rank}",
     R"~(bad.yaml:8:5: error: structure.0: missing key 'rank' (needed with kind: low_rank): an integer from 1 to 16777216 (rows), a number above 0.0 and below 1.0 (times the smaller side), auto or {energy: ...}
  - {match: "*", kind: low_rank}
    ^
)~"},
    {"BlocksMissing", 7, "structure:\n  - {match: \"*\", kind: monarch}",
     R"~(bad.yaml:8:5: error: structure.0: missing key 'nblocks' (needed with kind: monarch or block_diagonal): an integer from 1 to 65536
  - {match: "*", kind: monarch}
    ^
)~"},
    {"RankForDense", 7, "structure:\n  - {match: \"*\", kind: dense, rank: 1}",
     R"~(bad.yaml:8:31: error: structure.0: 'rank' goes only with kind: low_rank
  - {match: "*", kind: dense, rank: 1}
                              ^
)~"},
    {"RankRatioAboveOne", 7, "structure:\n  - {match: \"*\", kind: low_rank, rank: 1.5}",
     R"~(bad.yaml:8:40: error: structure.0.rank: 1.5 is out of range: expected a number above 0.0 and below 1.0
  - {match: "*", kind: low_rank, rank: 1.5}
                                       ^
)~"},
    {"RankZero", 7, "structure:\n  - {match: \"*\", kind: low_rank, rank: 0}",
     R"~(bad.yaml:8:40: error: structure.0.rank: 0 is out of range: expected an integer from 1 to 16777216
  - {match: "*", kind: low_rank, rank: 0}
                                       ^
)~"},
    {"RankIsText", 7, "structure:\n  - {match: \"*\", kind: low_rank, rank: full}",
     R"~(bad.yaml:8:40: error: structure.0.rank: expected an integer from 1 to 16777216 (rows), a number above 0.0 and below 1.0 (times the smaller side), auto or {energy: ...}, found 'full'
  - {match: "*", kind: low_rank, rank: full}
                                       ^
)~"},
    {"EnergyAboveOne", 7, "structure:\n  - {match: \"*\", kind: low_rank, rank: {energy: 1.5}}",
     R"~(bad.yaml:8:49: error: structure.0.rank.energy: 1.5 is out of range: expected a number above 0.0 and at most 1.0
  - {match: "*", kind: low_rank, rank: {energy: 1.5}}
                                                ^
)~"},
    {"EnergyMisspelt", 7,
     "structure:\n  - {match: \"*\", kind: low_rank, rank: {energie: 0.9, energy: 0.9}}",
     R"~(bad.yaml:8:41: error: structure.0.rank: unknown key 'energie'; did you mean 'energy'?
  - {match: "*", kind: low_rank, rank: {energie: 0.9, energy: 0.9}}
                                        ^
)~"},
    {"RankByNoWeights", 7, "structure:\n  - {match: \"*\", kind: low_rank, rank: auto}",
     R"~(bad.yaml:8:40: error: this rank is chosen by weights, and the first phase has none yet: train dense ones before (train.phases: [{epochs: 5, structure: dense}, {epochs: 25}]), or give some as train.init
  - {match: "*", kind: low_rank, rank: auto}
                                       ^
)~"},
    {"RankByNoWeightsInAPhase", 7,
     "train:\n  phases:\n    - epochs: 3\n"
     "      structure: [{match: \"*\", kind: low_rank, rank: {energy: 1}}]",
     R"~(bad.yaml:10:54: error: this rank is chosen by weights, and the first phase has none yet: train dense ones before (train.phases: [{epochs: 5, structure: dense}, {epochs: 25}]), or give some as train.init
      structure: [{match: "*", kind: low_rank, rank: {energy: 1}}]
                                                     ^
)~"},
    {"KindMisspelt", 7, "structure:\n  - {match: \"*\", kind: monarc, nblocks: 4}",
     R"~(bad.yaml:8:24: error: structure.0.kind: unknown value 'monarc'; did you mean 'monarch'?
  - {match: "*", kind: monarc, nblocks: 4}
                       ^
)~"},
    {"MatchEmpty", 7, "structure:\n  - {match: \"\", kind: dense}",
     R"~(bad.yaml:8:13: error: structure.0.match: expected a text that is not empty, found the text ""
  - {match: "", kind: dense}
            ^
)~"},
    {"StructureIsAMap", 7, "structure: {match: \"*\", kind: dense}",
     R"~(bad.yaml:7:12: error: structure: expected a list of rules, found a map with the keys match, kind
structure: {match: "*", kind: dense}
           ^
)~"},
    {"EpochsZero", 7, "train: {epochs: 0}",
     R"~(bad.yaml:7:17: error: train.epochs: 0 is out of range: expected an integer from 1 to 1000000
train: {epochs: 0}
                ^
)~"},
    {"BatchNegative", 7, "train: {batch_size: -128}",
     R"~(bad.yaml:7:21: error: train.batch_size: -128 is out of range: expected an integer from 1 to 1048576
train: {batch_size: -128}
                    ^
)~"},
    {"AccumulateZero", 7, "train: {accumulate: 0}",
     R"~(bad.yaml:7:21: error: train.accumulate: 0 is out of range: expected an integer from 1 to 1048576
train: {accumulate: 0}
                    ^
)~"},
    {"AccumulateDoesNotDivide", 7, "train: {batch_size: 100, accumulate: 3}",
     R"~(bad.yaml:7:38: error: train: accumulate: 3 parts do not divide a batch_size of 100; all parts of an update have equally many samples
train: {batch_size: 100, accumulate: 3}
                                     ^
bad.yaml:7:21: note: batch_size is written here
train: {batch_size: 100, accumulate: 3}
                    ^
)~"},
    {"RecomputeIsANumber", 7, "train: {recompute: 3}",
     R"~(bad.yaml:7:20: error: train.recompute: expected true or false, found '3'
train: {recompute: 3}
                   ^
)~"},
    {"EmaOne", 7, "train: {ema: 1.0}",
     R"~(bad.yaml:7:14: error: train.ema: 1.0 is out of range: expected a number of at least 0.0 and below 1.0
train: {ema: 1.0}
             ^
)~"},
    {"LossUnknown", 7, "train: {loss: mse}",
     R"~(bad.yaml:7:15: error: train.loss: unknown loss 'mse'; known here: cross_entropy
train: {loss: mse}
              ^
)~"},
    {"LossOptionUnknown", 7, "train: {loss: {cross_entropy: {smoothing: 0.1}}}",
     R"~(bad.yaml:7:32: error: train.loss.cross_entropy: unknown key 'smoothing'; known here: label_smoothing
train: {loss: {cross_entropy: {smoothing: 0.1}}}
                               ^
)~"},
    {"LossOfTwoKinds", 7, "train: {loss: {cross_entropy: {}, mse: {}}}",
     R"~(bad.yaml:7:15: error: train.loss: expected cross_entropy, or {cross_entropy: {label_smoothing}}, found a map with the keys cross_entropy, mse
train: {loss: {cross_entropy: {}, mse: {}}}
              ^
)~"},
    {"LossIsAList", 7, "train: {loss: [cross_entropy]}",
     R"~(bad.yaml:7:15: error: train.loss: expected cross_entropy, or {cross_entropy: {label_smoothing}}, found a list
train: {loss: [cross_entropy]}
              ^
)~"},
    {"SmoothingOne", 7, "train: {loss: {cross_entropy: {label_smoothing: 1.0}}}",
     R"~(bad.yaml:7:49: error: train.loss.cross_entropy.label_smoothing: 1.0 is out of range: expected a number of at least 0.0 and below 1.0
train: {loss: {cross_entropy: {label_smoothing: 1.0}}}
                                                ^
)~"},
    {"TypeMisspelt", 7, "train: {dtype: bf61}",
     R"~(bad.yaml:7:16: error: train.dtype: unknown value 'bf61'; did you mean 'bf16'?
train: {dtype: bf61}
               ^
)~"},
    {"InitEmpty", 7, "train: {init: \"\"}",
     R"~(bad.yaml:7:15: error: train.init: expected a path, found the text ""
train: {init: ""}
              ^
)~"},
    {"ClipNegative", 7, "train: {clip_grad_norm: -1.0}",
     R"~(bad.yaml:7:25: error: train.clip_grad_norm: -1.0 is out of range: expected a number of at least 0.0
train: {clip_grad_norm: -1.0}
                        ^
)~"},
    {"RateZero", 7, "optimizer: {lr: 0}",
     R"~(bad.yaml:7:17: error: optimizer.lr: 0 is out of range: expected a number above 0.0
optimizer: {lr: 0}
                ^
)~"},
    {"OptimizerUnknown", 7, "optimizer: {type: lion}",
     R"~(bad.yaml:7:19: error: optimizer.type: unknown value 'lion'; known here: sgd, adam, adamw
optimizer: {type: lion}
                  ^
)~"},
    {"MomentumWithAdam", 7, "optimizer: {type: adam, momentum: 0.9}",
     R"~(bad.yaml:7:25: error: optimizer: 'momentum' goes only with type: sgd
optimizer: {type: adam, momentum: 0.9}
                        ^
)~"},
    {"BetasWithSgd", 7, "optimizer: {type: sgd, betas: [0.9, 0.99]}",
     R"~(bad.yaml:7:24: error: optimizer: 'betas' goes only with type: adam or adamw
optimizer: {type: sgd, betas: [0.9, 0.99]}
                       ^
)~"},
    {"BetasOne", 7, "optimizer: {betas: [0.9]}",
     R"~(bad.yaml:7:20: error: optimizer.betas: expected a list of 2 numbers, found 1 entry
optimizer: {betas: [0.9]}
                   ^
)~"},
    {"BetasRange", 7, "optimizer: {betas: [0.9, 1.0]}",
     R"~(bad.yaml:7:26: error: optimizer.betas.1: 1.0 is out of range: expected a number of at least 0.0 and below 1.0
optimizer: {betas: [0.9, 1.0]}
                         ^
)~"},
    {"StepSizeWithoutStep", 7, "scheduler: {step_size: 3}",
     R"~(bad.yaml:7:13: error: scheduler: 'step_size' goes only with type: step
scheduler: {step_size: 3}
            ^
)~"},
    {"WarmupWithStep", 7, "scheduler: {type: step, warmup_epochs: 3}",
     R"~(bad.yaml:7:25: error: scheduler: 'warmup_epochs' goes only with type: cosine
scheduler: {type: step, warmup_epochs: 3}
                        ^
)~"},
    {"MinRateAboveRate", 7, "optimizer: {lr: 0.01}\nscheduler: {type: cosine, min_lr: 0.1}",
     R"~(bad.yaml:8:35: error: scheduler.min_lr: the learning rate falls to min_lr, so it must not be above optimizer.lr
scheduler: {type: cosine, min_lr: 0.1}
                                  ^
bad.yaml:7:17: note: optimizer.lr is written here
optimizer: {lr: 0.01}
                ^
)~"},
    {"KeepZero", 7, "checkpoint: {keep: 0}",
     R"~(bad.yaml:7:20: error: checkpoint.keep: 0 is out of range: expected an integer from 1 to 10000
checkpoint: {keep: 0}
                   ^
)~"},
    {"LogNegative", 7, "log: {every: -1}",
     R"~(bad.yaml:7:14: error: log.every: -1 is out of range: expected an integer from 0 to 1099511627776
log: {every: -1}
             ^
)~"},
    {"SeveralAtOnce", 7, "seed: x\ntrain: {epoch: 3, batch_size: 0}\nlog: 3",
     R"~(bad.yaml:7:7: error: seed: expected an integer of at least 0, found 'x'
seed: x
      ^
bad.yaml:8:9: error: train: unknown key 'epoch'; did you mean 'epochs'?
train: {epoch: 3, batch_size: 0}
        ^
bad.yaml:8:31: error: train.batch_size: 0 is out of range: expected an integer from 1 to 1048576
train: {epoch: 3, batch_size: 0}
                              ^
bad.yaml:9:6: error: log: expected a map with the key every, found '3'
log: 3
     ^
)~"},
};

class SectionMessages : public testing::TestWithParam<MessageCase> {};

TEST_P(SectionMessages, AreExact) {
  ReadResult result = readText(GetParam().spec());
  EXPECT_TRUE(mlir::failed(result.spec));
  EXPECT_EQ(result.messages, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Specs, SectionMessages, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

} // namespace
} // namespace danaus::spec
