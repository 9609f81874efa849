// A model spec after reading: typed, every value in range, every item with its place in the file.
// What it does not know: IR, shapes of layers (ImportModel.cpp infers and checks those), where data
// lie. The keys, types, ranges and defaults are declared once, in Schema.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace danaus::spec {

/// A place in the spec file, counted from 1; line 0 means "not written" (a default). On the command
/// line `line` counts the overrides. ReadSpec.h's locationOf() makes an mlir::Location of it.
struct Mark {
  unsigned line = 0, column = 0;
  bool onCommandLine = false;

  bool written() const { return line != 0; }
};

/// A value and the place where it was written.
template <typename T> struct At {
  T value{};
  Mark mark = {};
  operator const T &() const { return value; }
};

enum class Activation { None, Relu, Gelu, GeluTanh };
enum class LayerKind {
  Flatten,
  Linear,
  Activation,
  Repeat,
  Residual,
  Ops,
  PatchEmbed,
  ClassToken,
  PositionEmbedding,
  LayerNorm,
  Attention,
  Mlp,
  Dropout,
  DropPath,
  MeanTokens,
  SelectToken,
};
/// What an mlp mixes.
enum class MlpAxis { Channels, Tokens };

/// `ops:` a layer written out from primitives.
struct OpsBlock {
  struct Parameter {
    std::string name;
    At<std::vector<int64_t>> shape;
  };
  std::vector<At<std::string>> inputs;
  std::vector<Parameter> parameters;
  /// "h = matmul(x, transpose(V))": parsed by ParseOpsStep.cpp.
  std::vector<At<std::string>> steps;
  At<std::string> output;
};

/// One entry of `layers:`.
struct Layer {
  LayerKind kind = LayerKind::Flatten;
  /// Where the layer's type is written.
  Mark mark;
  /// The type as written ("linear", "relu"): the layer is called by it where `name` is empty.
  std::string type;
  At<std::string> name;
  At<int64_t> out;                          ///< linear, patch_embed: output features
  bool bias = true;                         ///< linear, patch_embed
  Activation activation = Activation::None; ///< linear, or the activation layer itself
  At<int64_t> times;                        ///< repeat: how often
  std::vector<Layer> layers;                ///< repeat, residual
  OpsBlock ops;
  At<int64_t> patch;                              ///< patch_embed: side of a square of pixels
  double epsilon = 1e-6;                          ///< layer_norm
  At<int64_t> heads;                              ///< attention
  bool qkvBias = true;                            ///< attention
  At<int64_t> hidden;                             ///< mlp: features between its linears
  Activation hiddenActivation = Activation::Gelu; ///< mlp
  MlpAxis axis = MlpAxis::Channels;               ///< mlp
  double rate = 0;                                ///< dropout, drop_path, attention, mlp
  At<int64_t> token;                              ///< select_token: which, from 0
};

/// Auto: Monarch where it pays, else dense.
enum class StructureKind { Dense, LowRank, Monarch, BlockDiagonal, Auto };

/// A rank that weights choose once they are trained (runtime/structure/ChooseRanks.h).
struct RankByWeights {
  /// The share of the squares of the singular values that is kept; 0: by the stable rank.
  double energy = 0;
};

/// Ranks that a run has chosen, by the names of linears; 0: the linear stays dense.
using ChosenRanks = std::map<std::string, int64_t>;

/// One rule of `structure:`; the first whose glob matches a layer's name decides.
struct Structure {
  Mark mark;
  At<std::string> match;
  StructureKind kind = StructureKind::Dense;
  At<int64_t> rank;                    ///< low_rank, as a number of rows; 0 where a ratio is given
  std::optional<At<double>> rankRatio; ///< low_rank, `rank: 0.25`: int(0.25 * min(in, out))
  /// low_rank, `rank: auto` or `rank: {energy: 0.9}`; where it is written is rank.mark.
  std::optional<RankByWeights> rankByWeights;
  At<int64_t> nblocks; ///< monarch, block_diagonal
};

enum class AugmentKind {
  RandomCrop,
  HorizontalFlip,
  RandomResizedCrop,
  RandomErasing,
  Mixup,
  Cutmix
};

/// One entry of `data.augment`; only the members of its kind mean something.
struct Augment {
  Mark mark;
  AugmentKind kind = AugmentKind::HorizontalFlip;
  At<int64_t> padding{4};                        ///< random_crop
  double flipProbability = 0.5;                  ///< horizontal_flip
  At<std::vector<double>> scale{{0.08, 1.0}};    ///< random_resized_crop: share of the area
  At<std::vector<double>> ratio{{0.75, 1.3333}}; ///< random_resized_crop: width by height
  double eraseProbability = 0.25;                ///< random_erasing
  double mixupAlpha = 0.8, cutmixAlpha = 1.0;    ///< of the Beta distribution
};

struct Data {
  Mark mark;
  At<std::string> name;
  At<std::string> dir; ///< an absolute path; empty: where the data set's package puts it
  bool shuffle = true;
  At<int64_t> validation;
  Mark normalize;
  std::vector<double> mean, deviation; ///< per channel; empty: none
  At<int64_t> resize;                  ///< both sides in pixels; 0: as they are
  At<int64_t> pad;                     ///< zero pixels on every side
  At<int64_t> channels;                ///< 0: as they are
  std::vector<Augment> augment;        ///< each kind at most once

  /// The augmentation of this kind, or null.
  const Augment *find(AugmentKind kind) const {
    for (const Augment &entry : augment)
      if (entry.kind == kind)
        return &entry;
    return nullptr;
  }
};

enum class OptimizerKind { Sgd, Adam, AdamW };
struct Optimizer {
  OptimizerKind kind = OptimizerKind::Adam;
  At<double> lr{1e-3}, momentum{0};
  At<std::vector<double>> betas{{0.9, 0.999}}; ///< always two
  At<double> epsilon{1e-8}, weightDecay{0};
};

/// What the operands of matrix products are rounded to. Parameters and sums are float32 always.
enum class DataType { F32, Bf16, F16 };

enum class ScheduleKind { Constant, Step, Cosine };
struct Schedule {
  ScheduleKind kind = ScheduleKind::Constant;
  int64_t stepSize = 1;
  double gamma = 0.1, warmupEpochs = 0;
  At<double> minLr;
};

/// What becomes of the optimizer's state where one phase ends and the next begins.
enum class BorderState { Reset, Project };

/// One entry of `train.phases`: a span of training with a structure of its own.
struct Phase {
  Mark mark;
  At<int64_t> epochs{1};
  Mark structureMark;
  /// In place of the section `structure`: no rules, all linears are dense. None: the section's.
  std::optional<std::vector<Structure>> structure;
  BorderState optimizerState = BorderState::Reset; ///< at its beginning
  std::optional<double> lrScale;                   ///< none: as train.lr_scale
  double maxError = 1; ///< relative, of a converted weight; more stops the run
  /// Of the loss of a fixed batch, by the conversion; more stops the run. None: no limit.
  std::optional<double> maxLossRise;
};

struct Train {
  Mark mark;
  At<int64_t> epochs{10}, batchSize{128};
  At<int64_t> accumulate{1}; ///< micro-batches in an update; batchSize is a multiple of it
  At<int64_t> maxSteps;      ///< 0: no limit
  Mark loss;
  double labelSmoothing = 0;
  bool recompute = false;  ///< the forward values of repeated blocks
  double clipGradNorm = 0; ///< 0: off
  double ema = 0;          ///< decay of the moving average of the weights; 0: off
  At<std::string> init;    ///< an absolute path; empty: from the seed
  At<DataType> dtype{DataType::F32};
  double lrScale = 1;
  /// In order; empty: one, of all epochs. Else `epochs` is the sum of theirs.
  std::vector<Phase> phases;
  /// Whether rows carry a second label and a weight (mixup, cutmix).
  bool mixesLabels = false;

  /// Processes that an update is shared by: no key of the spec, which is the same for any number.
  int64_t ranks = 1;

  /// Rows that one program takes.
  int64_t microBatch() const { return (batchSize / accumulate + ranks - 1) / ranks; }
};

enum class DistBackend { Auto, Gloo, Nccl };

/// How processes that train together talk.
struct Dist {
  At<DistBackend> backend{DistBackend::Auto};
  At<int64_t> bucketMb{25}; ///< most MiB of gradients in one all-reduce
  int64_t timeoutS = 60;
  bool sharded = false; ///< each rank holds its part of the optimizer's state
};

/// Where the layers come from.
enum class ModelKind { Layers, Onnx };

struct Spec {
  std::string file; ///< as the user wrote it
  At<std::string> name;
  int64_t seed = 0;
  At<std::vector<int64_t>> inputShape; ///< one sample; empty: as onnxFile says
  Mark model;
  ModelKind modelKind = ModelKind::Layers;
  At<std::string> onnxFile; ///< in place of layers; an absolute path
  std::vector<Layer> layers;
  std::vector<Structure> structure;
  Data data;
  Train train;
  Optimizer optimizer;
  Schedule schedule;
  Dist dist;
  int64_t checkpointEveryNSteps = 0, checkpointKeep = 1, logEvery = 0;
  bool trace = false;
  int64_t traceSteps = 5;
  int64_t timedSteps = 20;
  /// The whole spec with every default written out: runs/NAME/config.yaml.
  std::string resolved;
  /// No key of the spec: of each phase, from the first; empty, or no entry: not chosen yet.
  std::vector<ChosenRanks> chosenRanks;

  size_t phaseCount() const { return train.phases.empty() ? 1 : train.phases.size(); }
  /// The spec that phase `index` is built from: with its structure and ranks, without phases.
  Spec ofPhase(size_t index) const;
  /// Whether a rule of `structure` leaves a rank to the weights.
  bool choosesRanks() const;
};

} // namespace danaus::spec
