// Keys that are unknown, missing or not known yet, and every way to get the model wrong.
// What is expected is all that a user sees: place, text, line and caret.
#include "ReadText.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

const MessageCase cases[] = {
    {"UnknownKeyNear", 7, "train: {epoch: 3}",
     R"~(bad.yaml:7:9: error: train: unknown key 'epoch'; did you mean 'epochs'?
train: {epoch: 3}
        ^
)~"},
    {"UnknownKeyFar", 7, "log: {wibble: 3}",
     R"~(bad.yaml:7:7: error: log: unknown key 'wibble'; known here: every
log: {wibble: 3}
      ^
)~"},
    {"UnknownKeyCase", 7, "train: {Epochs: 3}",
     R"~(bad.yaml:7:9: error: train: unknown key 'Epochs'; did you mean 'epochs'?
train: {Epochs: 3}
        ^
)~"},
    {"NoPhases", 7, "train: {phases: []}",
     R"~(bad.yaml:7:17: error: train.phases: expected a list of 1 to 64 phases, found 0 entries
train: {phases: []}
                ^
)~"},
    {"PhaseWithoutEpochs", 7, "train: {phases: [{structure: dense}]}",
     R"~(bad.yaml:7:18: error: train.phases.0: missing key 'epochs': an integer from 1 to 1000000
train: {phases: [{structure: dense}]}
                 ^
)~"},
    {"PhaseOfAnotherStructure", 7, "train: {phases: [{epochs: 1, structure: dens}]}",
     R"~(bad.yaml:7:41: error: train.phases.0.structure: unknown structure 'dens'; did you mean 'dense'?
train: {phases: [{epochs: 1, structure: dens}]}
                                        ^
)~"},
    {"PhaseStructureAsMap", 7, "train: {phases: [{epochs: 1, structure: {kind: dense}}]}",
     R"~(bad.yaml:7:41: error: train.phases.0.structure: expected dense, or a list of rules, found a map with the key kind
train: {phases: [{epochs: 1, structure: {kind: dense}}]}
                                        ^
)~"},
    {"PhaseState", 7, "train: {phases: [{epochs: 1, optimizer_state: keep}]}",
     R"~(bad.yaml:7:47: error: train.phases.0.optimizer_state: unknown value 'keep'; known here: reset, project
train: {phases: [{epochs: 1, optimizer_state: keep}]}
                                              ^
)~"},
    {"PhaseError", 7, "train: {phases: [{epochs: 1, max_error: 1.5}]}",
     R"~(bad.yaml:7:41: error: train.phases.0.max_error: 1.5 is out of range: expected a number of at least 0.0 and at most 1.0
train: {phases: [{epochs: 1, max_error: 1.5}]}
                                        ^
)~"},
    {"PhaseScale", 7, "train: {phases: [{epochs: 1, lr_scale: 0}]}",
     R"~(bad.yaml:7:40: error: train.phases.0.lr_scale: 0 is out of range: expected a number above 0.0
train: {phases: [{epochs: 1, lr_scale: 0}]}
                                       ^
)~"},
    {"EpochsBesidePhases", 7, "train: {epochs: 3, phases: [{epochs: 1}, {epochs: 1}]}",
     R"~(bad.yaml:7:17: error: train: epochs: 3, but the phases have 2 together; set theirs (train.phases.0.epochs=3) and leave this key out
train: {epochs: 3, phases: [{epochs: 1}, {epochs: 1}]}
                ^
bad.yaml:7:29: note: the phases are written here
train: {epochs: 3, phases: [{epochs: 1}, {epochs: 1}]}
                            ^
)~"},
    {"ShardedInto", 7, "dist: {sharded: 4}",
     R"~(bad.yaml:7:17: error: dist.sharded: expected true or false, found '4'
dist: {sharded: 4}
                ^
)~"},
    {"MissingKey", 1, "seed: 1",
     R"~(bad.yaml:1:1: error: missing key 'name': a name of letters, digits, '_', '-' and '.' that begins with none of '-' and '.'
seed: 1
^
)~"},
    {"MissingKeyInside", 5, "    - linear: {name: a}",
     R"~(bad.yaml:5:15: error: model.layers.0.linear: missing key 'out': an integer from 1 to 16777216
    - linear: {name: a}
              ^
)~"},
    {"MissingInput", 3, "",
     R"~(bad.yaml:4:3: error: model: missing key 'input': a map with the key shape
  layers:
  ^
)~"},
    {"SectionIsEmpty", 7, "train:",
     R"~(bad.yaml:7:1: error: train: expected a map with the keys epochs, max_steps, batch_size, accumulate, recompute, loss, clip_grad_norm, ema, init, dtype, lr_scale, phases, found nothing
train:
^
)~"},
    {"SectionIsText", 7, "train: 3",
     R"~(bad.yaml:7:8: error: train: expected a map with the keys epochs, max_steps, batch_size, accumulate, recompute, loss, clip_grad_norm, ema, init, dtype, lr_scale, phases, found '3'
train: 3
       ^
)~"},
    {"DocumentIsAList", 0, "[1, 2]",
     R"~(bad.yaml:1:1: error: expected a map with the keys name, seed, model, structure, data, train, optimizer, scheduler, checkpoint, log, dist, profile, found a list
[1, 2]
^
)~"},
    {"DocumentIsAText", 0, "hello",
     R"~(bad.yaml:1:1: error: expected a map with the keys name, seed, model, structure, data, train, optimizer, scheduler, checkpoint, log, dist, profile, found 'hello'
hello
^
)~"},
    {"NameOfARun", 1, "name: a/b",
     R"~(bad.yaml:1:7: error: name: expected a name of letters, digits, '_', '-' and '.' that begins with none of '-' and '.', found 'a/b'
name: a/b
      ^
)~"},
    {"NameHidden", 1, "name: .a",
     R"~(bad.yaml:1:7: error: name: expected a name of letters, digits, '_', '-' and '.' that begins with none of '-' and '.', found '.a'
name: .a
      ^
)~"},
    {"SeedNegative", 7, "seed: -1",
     R"~(bad.yaml:7:7: error: seed: -1 is out of range: expected an integer of at least 0
seed: -1
      ^
)~"},
    {"ShapeNegative", 3, "  input: {shape: [28, -28]}",
     R"~(bad.yaml:3:23: error: model.input.shape.1: -28 is out of range: expected an integer from 1 to 16777216
  input: {shape: [28, -28]}
                      ^
)~"},
    {"ShapeZero", 3, "  input: {shape: [0]}",
     R"~(bad.yaml:3:19: error: model.input.shape.0: 0 is out of range: expected an integer from 1 to 16777216
  input: {shape: [0]}
                  ^
)~"},
    {"ShapeEmpty", 3, "  input: {shape: []}",
     R"~(bad.yaml:3:18: error: model.input.shape: expected a list of 1 to 8 sizes, found 0 entries
  input: {shape: []}
                 ^
)~"},
    {"ShapeLong", 3, "  input: {shape: [1, 1, 1, 1, 1, 1, 1, 1, 1]}",
     R"~(bad.yaml:3:18: error: model.input.shape: expected a list of 1 to 8 sizes, found 9 entries
  input: {shape: [1, 1, 1, 1, 1, 1, 1, 1, 1]}
                 ^
)~"},
    {"ShapeTooBig", 3, "  input: {shape: [16777216, 129]}",
     R"~(bad.yaml:3:18: error: model.input: a sample of this shape has more than 2^31 elements
  input: {shape: [16777216, 129]}
                 ^
)~"},
    {"ShapeOverflows", 3, "  input: {shape: [16777216, 16777216, 16777216, 16777216]}",
     R"~(bad.yaml:3:18: error: model.input: a sample of this shape has more than 2^31 elements
  input: {shape: [16777216, 16777216, 16777216, 16777216]}
                 ^
)~"},
    {"LayersEmpty", 0, "name: m\nmodel: {input: {shape: [4]}, layers: []}\ndata: {name: mnist}\n",
     R"~(bad.yaml:2:38: error: model.layers: expected a list of one or more layers, found 0 entries
model: {input: {shape: [4]}, layers: []}
                                     ^
)~"},
    {"LayerMisspelt", 5, "    - liner: {out: 2}",
     R"~(bad.yaml:5:7: error: model.layers.0: unknown layer 'liner'; did you mean 'linear'?
    - liner: {out: 2}
      ^
)~"},
    {"LayerUnknown", 5, "    - convolution",
     R"~(bad.yaml:5:7: error: model.layers.0: unknown layer 'convolution'; known here: flatten, linear, relu, gelu, gelu_tanh, repeat, residual, ops, patch_embed, class_token, position_embedding, mean_tokens, select_token, layer_norm, attention, mlp, dropout, drop_path
    - convolution
      ^
)~"},
    {"LayerOfTwoKinds", 5, "    - linear: {out: 2}\n      relu: {}",
     R"~(bad.yaml:6:7: error: model.layers.0: a layer has one kind, but this one has 'linear' and 'relu'; begin the second with its own '-'
      relu: {}
      ^
)~"},
    {"LayerIsEmpty", 5, "    -",
     R"~(bad.yaml:5:5: error: model.layers.0: expected a layer (flatten, linear, relu, gelu, gelu_tanh, repeat, residual, ops, patch_embed, class_token, position_embedding, mean_tokens, select_token, layer_norm, attention, mlp, dropout, drop_path), found nothing
    -
    ^
)~"},
    {"LayerIsAnEmptyMap", 5, "    - {}",
     R"~(bad.yaml:5:7: error: model.layers.0: expected a layer (flatten, linear, relu, gelu, gelu_tanh, repeat, residual, ops, patch_embed, class_token, position_embedding, mean_tokens, select_token, layer_norm, attention, mlp, dropout, drop_path), found an empty map
    - {}
      ^
)~"},
    {"LayerIsAList", 5, "    - [flatten]",
     R"~(bad.yaml:5:7: error: model.layers.0: expected a layer (flatten, linear, relu, gelu, gelu_tanh, repeat, residual, ops, patch_embed, class_token, position_embedding, mean_tokens, select_token, layer_norm, attention, mlp, dropout, drop_path), found a list
    - [flatten]
      ^
)~"},
    {"LayerNeedsKeys", 5, "    - linear",
     R"~(bad.yaml:5:7: error: model.layers.0: layer 'linear' does not stand alone: it takes a map with the keys name, out, bias, activation
    - linear
      ^
)~"},
    {"LayerNamedBeside", 5, "    - linear: {out: 2}\n      name: a",
     R"~(bad.yaml:6:7: error: model.layers.0: 'name' belongs inside the layer: linear: {name: ...}
      name: a
      ^
)~"},
    {"LayerKeyUnknownBeside", 5, "    - linear: {out: 2}\n      times: 3",
     R"~(bad.yaml:6:7: error: model.layers.0: unknown key 'times'; known here: name, out, bias, activation
      times: 3
      ^
)~"},
    {"LayerValueMissing", 5, "    - linear:\n      relu",
     R"~(bad.yaml:7:5: error: no value can begin at this ':': check the indentation of this line and the one above
data: {name: mnist}
    ^
)~"},
    {"LayerName", 5, "    - linear: {name: a.b, out: 2}",
     R"~(bad.yaml:5:22: error: model.layers.0.linear.name: expected a name of letters, digits, '_' and '-' that begins with a letter or '_', found 'a.b'
    - linear: {name: a.b, out: 2}
                     ^
)~"},
    {"ActivationMisspelt", 5, "    - linear: {out: 2, activation: rleu}",
     R"~(bad.yaml:5:36: error: model.layers.0.linear.activation: unknown value 'rleu'; did you mean 'relu'?
    - linear: {out: 2, activation: rleu}
                                   ^
)~"},
    {"OutZero", 5, "    - linear: {out: 0}",
     R"~(bad.yaml:5:21: error: model.layers.0.linear.out: 0 is out of range: expected an integer from 1 to 16777216
    - linear: {out: 0}
                    ^
)~"},
    {"RepeatZero", 5, "    - {repeat: 0, layers: [relu]}",
     R"~(bad.yaml:5:16: error: model.layers.0.repeat: 0 is out of range: expected an integer from 1 to 10000
    - {repeat: 0, layers: [relu]}
               ^
)~"},
    {"RepeatWithoutLayers", 5, "    - repeat: 3",
     R"~(bad.yaml:5:7: error: model.layers.0: missing key 'layers': a list of one or more layers
    - repeat: 3
      ^
)~"},
    {"RepeatTooOften", 5, "    - {repeat: 10000, layers: [{repeat: 11, layers: [relu]}]}",
     R"~(bad.yaml:4:3: error: model: with its repeats written out the model has more than 100000 layers
  layers:
  ^
)~"},
    {"ResidualEmpty", 5, "    - residual: []",
     R"~(bad.yaml:5:17: error: model.layers.0.residual: expected a list of one or more layers, found 0 entries
    - residual: []
                ^
)~"},
    {"ResidualNamed", 5, "    - {residual: [relu], name: a}",
     R"~(bad.yaml:5:26: error: model.layers.0: unknown key 'name'; known here: residual
    - {residual: [relu], name: a}
                         ^
)~"},
    {"OpsInputIsAParameter", 5,
     "    - ops: {inputs: [x], parameters: {x: [2]}, steps: [\"y = x\"], output: y}",
     R"~(bad.yaml:5:39: error: model.layers.0.ops: parameter 'x' is also an input
    - ops: {inputs: [x], parameters: {x: [2]}, steps: ["y = x"], output: y}
                                      ^
bad.yaml:5:22: note: the input is named here
    - ops: {inputs: [x], parameters: {x: [2]}, steps: ["y = x"], output: y}
                     ^
)~"},
    {"OpsParameterName", 5,
     "    - ops: {inputs: [x], parameters: {1x: [2]}, steps: [\"y = x\"], output: y}",
     R"~(bad.yaml:5:39: error: model.layers.0.ops.parameters: expected a name of letters, digits and '_' that does not begin with a digit, found '1x'
    - ops: {inputs: [x], parameters: {1x: [2]}, steps: ["y = x"], output: y}
                                      ^
)~"},
    {"OpsParameterTooBig", 5,
     "    - ops: {inputs: [x], parameters: {V: [16777216, 129]}, steps: [\"y = x\"], output: y}",
     R"~(bad.yaml:5:39: error: model.layers.0.ops: parameter 'V' has more than 2^31 elements
    - ops: {inputs: [x], parameters: {V: [16777216, 129]}, steps: ["y = x"], output: y}
                                      ^
)~"},
    {"OpsStepsEmpty", 5, "    - ops: {inputs: [x], steps: [], output: y}",
     R"~(bad.yaml:5:33: error: model.layers.0.ops.steps: expected a list of 1 to 1000 steps, found 0 entries
    - ops: {inputs: [x], steps: [], output: y}
                                ^
)~"},
    {"OpsTwoInputs", 5, "    - ops: {inputs: [x, z], steps: [\"y = x\"], output: y}",
     R"~(bad.yaml:5:21: error: model.layers.0.ops.inputs: expected a list of one name, found 2 entries
    - ops: {inputs: [x, z], steps: ["y = x"], output: y}
                    ^
)~"},
};

class KeyMessages : public testing::TestWithParam<MessageCase> {};

TEST_P(KeyMessages, AreExact) {
  ReadResult result = readText(GetParam().spec());
  EXPECT_TRUE(mlir::failed(result.spec));
  EXPECT_EQ(result.messages, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Specs, KeyMessages, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

} // namespace
} // namespace danaus::spec
