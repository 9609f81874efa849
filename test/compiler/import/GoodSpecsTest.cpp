// Specs that must be read: those of models/ and of the oracle, every form of every key, defaults
// and places; and the resolved spec, which reads back to itself.
#include "ReadText.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

Spec read(const std::string &text, llvm::StringRef file = "good.yaml") {
  ReadResult result = readText(text, {}, file);
  EXPECT_EQ(result.messages, "");
  return mlir::succeeded(result.spec) ? *result.spec : Spec{};
}

const char *const everything = R"~(
name: every_thing-1.0
seed: 9223372036854775807
model:
  input: {shape: [1, 28, 28]}
  layers:
    - flatten
    - flatten: {name: flat}
    - linear: {name: in, out: 16, bias: false, activation: gelu_tanh}
    - relu
    - gelu: {name: g}
    - gelu_tanh: {}
    - repeat: 3
      name: blocks
      layers:
        - residual: [relu, {linear: {out: 16}}]
        - repeat: 2
          layers: [gelu]
    - ops:
        name: written
        inputs: [x]
        parameters: {V: [4, 16], "null": [16, 4], b: [16]}
        steps: ["h = matmul(x, transpose(V))", "z = h + b"]
        output: z
    - linear: {out: 10, activation: none}
structure:
  - {match: "blocks.*", kind: low_rank, rank: 4}
  - {match: "in", kind: low_rank, rank: 0.25}
  - {match: "a b: \"c\"", kind: monarch, nblocks: 4}
  - {match: "*", kind: dense}
data: {name: mnist, dir: ../images, shuffle: false, validation: 100, normalize: {mean: [0.5], std: [1]}}
train:
  epochs: 2
  max_steps: 1099511627776
  batch_size: 6
  accumulate: 3
  recompute: true
  loss: {cross_entropy: {label_smoothing: 1e-1}}
  clip_grad_norm: 1
  ema: 0.9999
  init: sub/../init.safetensors
  dtype: f32
optimizer: {type: adamw, lr: 5.0e-4, betas: [0.8, 0.98], eps: 1.0e-7, weight_decay: 0.05}
scheduler: {type: cosine, warmup_epochs: 0.5, min_lr: 1.0e-5}
checkpoint: {every_n_steps: 10, keep: 3}
log: {every: 1}
dist: {backend: gloo, bucket_mb: 4, timeout_s: 5, sharded: true}
)~";

TEST(GoodSpecs, EveryKeyArrives) {
  Spec spec = read(everything, "/specs/good.yaml");
  EXPECT_EQ(spec.file, "/specs/good.yaml");
  EXPECT_EQ(spec.name.value, "every_thing-1.0");
  EXPECT_EQ(spec.seed, INT64_MAX);
  EXPECT_EQ(spec.inputShape.value, (std::vector<int64_t>{1, 28, 28}));
  ASSERT_EQ(spec.structure.size(), 4u);
  EXPECT_EQ(spec.structure[0].rank.value, 4);
  EXPECT_FALSE(spec.structure[0].rankRatio);
  EXPECT_EQ(spec.structure[1].rankRatio->value, 0.25);
  EXPECT_EQ(spec.structure[2].kind, StructureKind::Monarch);
  EXPECT_EQ(spec.structure[2].nblocks.value, 4);
  EXPECT_EQ(spec.structure[2].match.value, "a b: \"c\"");
  EXPECT_EQ(spec.data.name.value, "mnist");
  EXPECT_EQ(spec.data.dir.value, "/images");
  EXPECT_FALSE(spec.data.shuffle);
  EXPECT_EQ(spec.data.validation.value, 100);
  EXPECT_EQ(spec.data.mean, std::vector<double>{0.5});
  EXPECT_EQ(spec.data.deviation, std::vector<double>{1.0});
  EXPECT_EQ(spec.train.epochs.value, 2);
  EXPECT_EQ(spec.train.maxSteps.value, int64_t(1) << 40);
  EXPECT_EQ(spec.train.batchSize.value, 6);
  EXPECT_EQ(spec.train.accumulate.value, 3);
  EXPECT_EQ(spec.train.microBatch(), 2);
  EXPECT_TRUE(spec.train.recompute);
  EXPECT_EQ(spec.train.ema, 0.9999);
  EXPECT_EQ(spec.train.labelSmoothing, 0.1);
  EXPECT_EQ(spec.train.clipGradNorm, 1.0);
  EXPECT_EQ(spec.train.init.value, "/specs/init.safetensors");
  EXPECT_EQ(spec.optimizer.kind, OptimizerKind::AdamW);
  EXPECT_EQ(spec.optimizer.lr.value, 5e-4);
  EXPECT_EQ(spec.optimizer.betas.value, (std::vector<double>{0.8, 0.98}));
  EXPECT_EQ(spec.optimizer.epsilon.value, 1e-7);
  EXPECT_EQ(spec.optimizer.weightDecay.value, 0.05);
  EXPECT_EQ(spec.schedule.kind, ScheduleKind::Cosine);
  EXPECT_EQ(spec.schedule.warmupEpochs, 0.5);
  EXPECT_EQ(spec.schedule.minLr.value, 1e-5);
  EXPECT_EQ(spec.checkpointEveryNSteps, 10);
  EXPECT_EQ(spec.checkpointKeep, 3);
  EXPECT_EQ(spec.logEvery, 1);
  EXPECT_EQ(spec.dist.backend.value, DistBackend::Gloo);
  EXPECT_EQ(spec.dist.bucketMb.value, 4);
  EXPECT_EQ(spec.dist.timeoutS, 5);
  EXPECT_TRUE(spec.dist.sharded);
}

TEST(GoodSpecs, EveryLayerArrives) {
  Spec spec = read(everything);
  ASSERT_EQ(spec.layers.size(), 9u);
  EXPECT_EQ(spec.layers[0].kind, LayerKind::Flatten);
  EXPECT_EQ(spec.layers[0].type, "flatten");
  EXPECT_EQ(spec.layers[1].name.value, "flat");
  const Layer &linear = spec.layers[2];
  EXPECT_EQ(linear.kind, LayerKind::Linear);
  EXPECT_EQ(linear.out.value, 16);
  EXPECT_FALSE(linear.bias);
  EXPECT_EQ(linear.activation, Activation::GeluTanh);
  EXPECT_EQ(linear.mark.line, 9u);
  EXPECT_EQ(linear.mark.column, 7u);
  EXPECT_EQ(linear.out.mark.column, 31u);
  EXPECT_EQ(spec.layers[3].activation, Activation::Relu);
  EXPECT_EQ(spec.layers[4].activation, Activation::Gelu);
  EXPECT_EQ(spec.layers[4].name.value, "g");
  EXPECT_EQ(spec.layers[5].activation, Activation::GeluTanh);
  const Layer &repeat = spec.layers[6];
  EXPECT_EQ(repeat.kind, LayerKind::Repeat);
  EXPECT_EQ(repeat.times.value, 3);
  EXPECT_EQ(repeat.name.value, "blocks");
  ASSERT_EQ(repeat.layers.size(), 2u);
  EXPECT_EQ(repeat.layers[0].kind, LayerKind::Residual);
  EXPECT_EQ(repeat.layers[0].layers[1].out.value, 16);
  EXPECT_TRUE(repeat.layers[0].layers[1].bias);
  const Layer &ops = spec.layers[7];
  EXPECT_EQ(ops.kind, LayerKind::Ops);
  EXPECT_EQ(ops.name.value, "written");
  EXPECT_EQ(ops.ops.inputs[0].value, "x");
  ASSERT_EQ(ops.ops.parameters.size(), 3u);
  EXPECT_EQ(ops.ops.parameters[1].name, "null");
  EXPECT_EQ(ops.ops.parameters[1].shape.value, (std::vector<int64_t>{16, 4}));
  EXPECT_EQ(ops.ops.steps[1].value, "z = h + b");
  EXPECT_EQ(ops.ops.steps[1].mark.line, 23u);
  EXPECT_EQ(ops.ops.output.value, "z");
}

const char *const vision = R"~(
name: vision
model:
  input: {shape: [3, 32, 32]}
  layers:
    - patch_embed: {name: cut, patch: 4, dim: 64, bias: false}
    - class_token
    - position_embedding: {name: where}
    - dropout: 0.25
    - residual:
        - layer_norm: {eps: 1.0e-5}
        - attention: {heads: 4, qkv_bias: false, dropout: 0.125}
        - drop_path: 0.5
    - residual: [layer_norm, {mlp: {hidden: 8, activation: relu, over: tokens, dropout: 0.0625}}]
    - attention: {heads: 2}
    - mlp: {hidden: 16}
    - select_token: 64
data: {name: mnist}
)~";

TEST(GoodSpecs, EveryVisionLayerArrives) {
  Spec spec = read(vision);
  ASSERT_EQ(spec.layers.size(), 9u);
  const Layer &cut = spec.layers[0];
  EXPECT_EQ(cut.kind, LayerKind::PatchEmbed);
  EXPECT_EQ(cut.name.value, "cut");
  EXPECT_EQ(cut.patch.value, 4);
  EXPECT_EQ(cut.out.value, 64);
  EXPECT_FALSE(cut.bias);
  EXPECT_EQ(spec.layers[1].kind, LayerKind::ClassToken);
  EXPECT_EQ(spec.layers[2].kind, LayerKind::PositionEmbedding);
  EXPECT_EQ(spec.layers[2].name.value, "where");
  EXPECT_EQ(spec.layers[3].kind, LayerKind::Dropout);
  EXPECT_EQ(spec.layers[3].rate, 0.25);
  const std::vector<Layer> &branch = spec.layers[4].layers;
  EXPECT_EQ(branch[0].kind, LayerKind::LayerNorm);
  EXPECT_EQ(branch[0].epsilon, 1e-5);
  EXPECT_EQ(branch[1].kind, LayerKind::Attention);
  EXPECT_EQ(branch[1].heads.value, 4);
  EXPECT_FALSE(branch[1].qkvBias);
  EXPECT_EQ(branch[1].rate, 0.125);
  EXPECT_EQ(branch[2].kind, LayerKind::DropPath);
  EXPECT_EQ(branch[2].rate, 0.5);
  const Layer &mixer = spec.layers[5].layers[1];
  EXPECT_EQ(mixer.kind, LayerKind::Mlp);
  EXPECT_EQ(mixer.hidden.value, 8);
  EXPECT_EQ(mixer.hiddenActivation, Activation::Relu);
  EXPECT_EQ(mixer.axis, MlpAxis::Tokens);
  EXPECT_EQ(mixer.rate, 0.0625);
  EXPECT_EQ(spec.layers[8].kind, LayerKind::SelectToken);
  EXPECT_EQ(spec.layers[8].token.value, 64);
}

TEST(GoodSpecs, DefaultsOfVisionLayers) {
  Spec spec = read(vision);
  EXPECT_EQ(spec.layers[5].layers[0].epsilon, 1e-6);
  EXPECT_TRUE(spec.layers[6].qkvBias);
  EXPECT_EQ(spec.layers[6].rate, 0);
  EXPECT_EQ(spec.layers[7].hiddenActivation, Activation::Gelu);
  EXPECT_EQ(spec.layers[7].axis, MlpAxis::Channels);
  EXPECT_NE(
      spec.resolved.find("- mlp: {hidden: 16, activation: gelu, over: channels, dropout: 0.0}"),
      std::string::npos)
      << spec.resolved;
  EXPECT_EQ(read(spec.resolved).resolved, spec.resolved);
}

TEST(GoodSpecs, DefaultsAreThoseOfThePage) {
  Spec spec = read("name: m\nmodel: {input: {shape: [4]}, layers: [relu]}\ndata: {name: mnist}\n");
  EXPECT_EQ(spec.resolved, R"(name: m
seed: 0
model: {input: {shape: [4]}, layers: [relu]}
data:
  name: mnist
  shuffle: true
  validation: 0
  normalize: none
  resize: 0
  pad: 0
  channels: 0
  augment: []
train:
  epochs: 10
  max_steps: 0
  batch_size: 128
  accumulate: 1
  recompute: false
  loss: {cross_entropy: {label_smoothing: 0.0}}
  clip_grad_norm: 0.0
  ema: 0.0
  dtype: f32
  lr_scale: 1.0
optimizer: {type: adam, lr: 0.001, betas: [0.9, 0.999], eps: 1.0e-8, weight_decay: 0.0}
scheduler: {type: constant}
checkpoint: {every_n_steps: 0, keep: 1}
log: {every: 0}
dist: {backend: auto, bucket_mb: 25, timeout_s: 60, sharded: false}
profile: {trace: false, steps: 5, timed_steps: 20}
)");
  EXPECT_FALSE(spec.train.epochs.mark.written());
  EXPECT_TRUE(spec.data.mark.written());
}

TEST(GoodSpecs, NormalizationsByName) {
  const std::string model = "name: m\nmodel: {input: {shape: [4]}, layers: [relu]}\n";
  EXPECT_EQ(read(model + "data: {name: mnist, normalize: mnist}").data.mean[0], 0.1307);
  EXPECT_EQ(read(model + "data: {name: mnist, normalize: fashion_mnist}").data.deviation[0],
            0.3530);
  EXPECT_TRUE(read(model + "data: {name: mnist, normalize: none}").data.mean.empty());
  EXPECT_EQ(read(model + "data: {name: cifar10, normalize: cifar10}").data.deviation,
            (std::vector<double>{0.2470, 0.2435, 0.2616}));
}

TEST(GoodSpecs, AugmentationsAloneAndWithOptions) {
  const std::string model = "name: m\nmodel: {input: {shape: [4]}, layers: [relu]}\n";
  Spec spec = read(model + R"(
data:
  name: imagenet_folder
  normalize: imagenet
  resize: 224
  pad: 2
  channels: 3
  augment:
    - random_crop
    - horizontal_flip
    - random_resized_crop: {scale: [0.5, 0.9]}
    - random_erasing: {probability: 1}
    - mixup
    - cutmix: {alpha: 0.5}
)");
  const Data &data = spec.data;
  EXPECT_EQ(data.mean, (std::vector<double>{0.485, 0.456, 0.406}));
  EXPECT_EQ(data.resize.value, 224);
  EXPECT_EQ(data.pad.value, 2);
  EXPECT_EQ(data.channels.value, 3);
  ASSERT_EQ(data.augment.size(), 6u);
  EXPECT_EQ(data.find(AugmentKind::RandomCrop)->padding.value, 4);
  EXPECT_EQ(data.find(AugmentKind::HorizontalFlip)->flipProbability, 0.5);
  const Augment &crop = *data.find(AugmentKind::RandomResizedCrop);
  EXPECT_EQ(crop.scale.value, (std::vector<double>{0.5, 0.9}));
  EXPECT_EQ(crop.ratio.value, (std::vector<double>{0.75, 1.3333}));
  EXPECT_EQ(crop.mark.line, 13u);
  EXPECT_EQ(data.find(AugmentKind::RandomErasing)->eraseProbability, 1.0);
  EXPECT_EQ(data.find(AugmentKind::Mixup)->mixupAlpha, 0.8);
  EXPECT_EQ(data.find(AugmentKind::Cutmix)->cutmixAlpha, 0.5);
  EXPECT_TRUE(spec.train.mixesLabels);
  EXPECT_FALSE(read(model + "data: {name: npy, augment: [random_erasing]}").train.mixesLabels);
  EXPECT_EQ(read(spec.resolved).resolved, spec.resolved);
}

TEST(GoodSpecs, AnchorsAndAliases) {
  Spec spec = read("name: m\nmodel: {input: {shape: [4]}, layers: [&l {linear: {out: 4}}, *l]}\n"
                   "data: {name: mnist}\n");
  ASSERT_EQ(spec.layers.size(), 2u);
  EXPECT_EQ(spec.layers[1].out.value, 4);
}

class SpecFiles : public testing::TestWithParam<std::string> {};

TEST_P(SpecFiles, AreReadAndTheirResolvedFormReadsBackToItself) {
  std::string text = GetParam() == "everything" ? everything : fileText(GetParam());
  Spec spec = read(text, "/specs/" + GetParam());
  ASSERT_FALSE(spec.resolved.empty());
  Spec again = read(spec.resolved, "/another/folder/config.yaml");
  EXPECT_EQ(again.resolved, spec.resolved);
  EXPECT_EQ(again.train.init.value, spec.train.init.value);
  EXPECT_EQ(again.layers.size(), spec.layers.size());
  EXPECT_EQ(again.optimizer.lr.value, spec.optimizer.lr.value);
}

std::vector<std::string> specFiles() {
  std::vector<std::string> files = {"everything"};
  std::error_code error;
  for (const char *folder : {"models", "test/oracle"}) {
    std::string root = std::string(DANAUS_SOURCE_DIR) + "/" + folder;
    for (llvm::sys::fs::recursive_directory_iterator i(root, error), end; i != end;
         i.increment(error))
      if (llvm::StringRef(i->path()).ends_with(".yaml"))
        files.push_back(i->path().substr(std::string(DANAUS_SOURCE_DIR).size() + 1));
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(GoodSpecs, TheModelsAreFound) { EXPECT_GE(specFiles().size(), 10u); }

INSTANTIATE_TEST_SUITE_P(Tree, SpecFiles, testing::ValuesIn(specFiles()), [](const auto &info) {
  std::string name = info.param;
  for (char &c : name)
    c = isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

TEST(GoodSpecs, FromAFile) {
  llvm::SourceMgr sources;
  mlir::MLIRContext context;
  std::string path = std::string(DANAUS_SOURCE_DIR) + "/models/mnist_mlp.yaml";
  mlir::FailureOr<Spec> spec = readSpecFile(path, sources, {}, &context);
  ASSERT_TRUE(mlir::succeeded(spec));
  EXPECT_EQ(spec->file, path);
}

TEST(GoodSpecs, AFileThatIsNotThere) {
  llvm::SourceMgr sources;
  mlir::MLIRContext context;
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  mlir::SourceMgrDiagnosticHandler handler(sources, &context, stream);
  EXPECT_TRUE(mlir::failed(readSpecFile("no/such.yaml", sources, {}, &context)));
  EXPECT_NE(messages.find("no/such.yaml"), std::string::npos) << messages;
  EXPECT_NE(messages.find("cannot read the spec: No such file or directory"), std::string::npos)
      << messages;
}

} // namespace
} // namespace danaus::spec
