// The table of keys. Defaults are the initializers in Spec.h. A new key is one entry here and a
// member there; a new layer is one layerKind() and its members in Layer; then write docs/Spec.md
// anew (danaus_spec_test says how). The section `data` is in SchemaData.cpp.
#include "compiler/import/Schema.h"
#include "compiler/import/Check.h"

namespace danaus::spec {
namespace {

template <typename T> using Words = std::vector<std::pair<std::string, T>>;
} // namespace

std::vector<std::pair<std::string, Activation>> activations() {
  return {{"none", Activation::None},
          {"relu", Activation::Relu},
          {"gelu", Activation::Gelu},
          {"gelu_tanh", Activation::GeluTanh}};
}

Schema::Schema() {
  top = make<Record<Spec>>();
  layer = make<LayerType>();
  layerList = make<ListType<Layer>>(layer, "layers", 1);
  layerName = make<TextType>(TextForm::LayerName);
  shape = make<ListType<int64_t>>(make<IntegerType>(1, largestSize), "sizes", 1, 8);
  defineLayers();

  top->key<&Spec::name>("name", make<TextType>(TextForm::FileName),
                        "What the model is called in reports and folders of runs.")
      .required();
  top->key<&Spec::seed>("seed", make<IntegerType>(0),
                        "Decides the initial weights, the order of the data and the split for "
                        "validation.");
  top->self("model", model(), "The layers.").markedAs(detail::markOf<&Spec::model>).required();
  rules = structure();
  top->key<&Spec::structure>("structure", rules,
                             "How linears are built. The first rule whose `match` fits the name of "
                             "a linear decides; the others are dense.")
      .hiddenUnset();
  top->key<&Spec::data>("data", data(), "What the model is trained on.").required();
  top->key<&Spec::train>("train", train(), "How long and on what loss.");
  top->key<&Spec::optimizer>("optimizer", optimizer(), "How gradients change the weights.");
  top->key<&Spec::schedule>("scheduler", scheduler(), "How the learning rate changes.");
  top->self("checkpoint", checkpoint(), "When the state of a run is written.");
  top->self("log", log(), "How often a run reports.");
  top->key<&Spec::dist>("dist", dist(), "How processes that train together talk.");
  top->self("profile", profile(), "What a run shows of itself.");
  top->checkedBy(checkSpec);
}

Record<Layer> *Schema::layerKind(const char *name, LayerKind kind, const char *doc,
                                 const Type *inside, Activation activation) {
  auto *map = make<Record<Layer>>();
  if (!inside) {
    auto *onlyName = make<Record<Layer>>();
    onlyName->key<&Layer::name>("name", layerName, "The layer's name.").hiddenUnset();
    inside = onlyName;
  }
  map->self(name, inside, doc).required();
  layer->add({name, doc, kind, activation, map});
  return map;
}

void Schema::defineLayers() {
  layerKind("flatten", LayerKind::Flatten, "Makes one dimension of all of a sample's.");

  auto *linear = make<Record<Layer>>();
  linear->key<&Layer::name>("name", layerName, "The layer's name.").hiddenUnset();
  linear->key<&Layer::out>("out", make<IntegerType>(1, largestSize), "Output features.").required();
  linear->key<&Layer::bias>("bias", make<BoolType>(), "Whether a bias is added.");
  linear->key<&Layer::activation>("activation", make<WordType<Activation>>(activations()),
                                  "What is applied to the result.");
  layerKind("linear", LayerKind::Linear, "y = x W^T + b, W of shape (out, in).", linear);

  layerKind("relu", LayerKind::Activation, "max(x, 0).", nullptr, Activation::Relu);
  layerKind("gelu", LayerKind::Activation, "x Phi(x), exact (erf).", nullptr, Activation::Gelu);
  layerKind("gelu_tanh", LayerKind::Activation, "The tanh approximation of gelu.", nullptr,
            Activation::GeluTanh);

  auto *repeat = make<Record<Layer>>();
  repeat
      ->key<&Layer::times>("repeat", make<IntegerType>(1, 10'000),
                           "How often; every copy has its own weights.")
      .required();
  repeat->key<&Layer::name>("name", layerName, "Copy i is called `name.i`.").hiddenUnset();
  repeat->key<&Layer::layers>("layers", layerList, "What is repeated.").required();
  layer->add({"repeat", "The same layers several times, one after the other.", LayerKind::Repeat,
              Activation::None, repeat});

  auto *residual = make<Record<Layer>>();
  residual->key<&Layer::layers>("residual", layerList, "x + layers(x).").required();
  layer->add({"residual", "Adds the input to what the layers make of it.", LayerKind::Residual,
              Activation::None, residual});

  layerKind("ops", LayerKind::Ops,
            "A layer written out from primitives; structured linears in it are recognised.",
            opsBlock());
  defineVisionLayers();
}

const Record<Layer> *Schema::opsBlock() {
  auto *identifier = make<TextType>(TextForm::Identifier);
  auto *ops = make<Record<Layer>>();
  ops->key<&Layer::name>("name", layerName, "The layer's name.").hiddenUnset();
  ops->key<&Layer::ops, &OpsBlock::inputs>(
         "inputs", make<ListType<At<std::string>>>(identifier, "names", 1, 1),
         "What the layer's input is called in the steps.")
      .required();
  ops->key<&Layer::ops, &OpsBlock::parameters>("parameters", make<ParametersType>(shape),
                                               "The weights and their shapes.");
  ops->key<&Layer::ops, &OpsBlock::steps>(
         "steps", make<ListType<At<std::string>>>(make<TextType>(TextForm::Any), "steps", 1, 1000),
         "Each a text `name = expression`, in order.")
      .required();
  ops->key<&Layer::ops, &OpsBlock::output>("output", identifier, "Which value the layer gives.")
      .required();
  ops->checkedBy(checkOps);
  return ops;
}

const Record<Spec> *Schema::model() {
  auto *input = make<Record<Spec>>();
  input
      ->key<&Spec::inputShape>("shape", shape,
                               "The shape of one sample; the compiler adds the batch.")
      .required();
  input->checkedBy(checkInput);
  auto *model = make<Record<Spec>>();
  model
      ->key<&Spec::modelKind>("kind",
                              make<WordType<ModelKind>>(Words<ModelKind>{
                                  {"layers", ModelKind::Layers}, {"onnx", ModelKind::Onnx}}),
                              "Where the layers are: here (layers, unless written) or in an ONNX "
                              "file.")
      .hiddenAs("layers");
  model->self("input", input, "What goes into the first layer.")
      .required()
      .onlyWith("kind", {"layers"});
  model->key<&Spec::layers>("layers", layerList, "The layers in order.")
      .required()
      .onlyWith("kind", {"layers"});
  model
      ->key<&Spec::onnxFile>("file", make<TextType>(TextForm::Path),
                             "The .onnx file, from the spec's folder; train.init is its weights "
                             "where nothing else is written (docs/Onnx.md).")
      .required()
      .onlyWith("kind", {"onnx"});
  model->checkedBy(checkModel);
  return model;
}

const ListType<Structure> *Schema::structure() {
  auto *rule = make<Record<Structure>>();
  rule->key<&Structure::match>("match", make<TextType>(TextForm::Any),
                               "A glob on the names of layers: `hidden.*`.")
      .required();
  rule->key<&Structure::kind>(
          "kind",
          make<WordType<StructureKind>>(
              Words<StructureKind>{{"dense", StructureKind::Dense},
                                   {"low_rank", StructureKind::LowRank},
                                   {"monarch", StructureKind::Monarch},
                                   {"block_diagonal", StructureKind::BlockDiagonal},
                                   {"auto", StructureKind::Auto}}),
          "How the weight is built. auto: monarch of 4 blocks where that has at most three "
          "quarters "
          "of a dense layer's weights and 64 features on either side, else dense, with a warning "
          "(`danaus advise` looks closer).")
      .required();
  auto *byWeights = make<Record<RankByWeights>>();
  byWeights
      ->key<&RankByWeights::energy>("energy", make<NumberType>(Range::aboveUpTo(0, 1)),
                                    "The least rank that keeps this share of the squares of the "
                                    "singular values.")
      .required();
  rule->self("rank", make<RankType>(byWeights),
             "The rank of the two factors. auto (by the stable rank) and {energy: E}: chosen by "
             "the weights when the phase begins (docs/Phases.md).")
      .required()
      .onlyWith("kind", {"low_rank"});
  rule->key<&Structure::nblocks>("nblocks", make<IntegerType>(1, 65'536),
                                 "Blocks on the diagonal, of monarch in each of its two factors.")
      .required()
      .onlyWith("kind", {"monarch", "block_diagonal"});
  rule->markedBy<&Structure::mark>();
  return make<ListType<Structure>>(rule, "rules", 0);
}

const Record<Train> *Schema::train() {
  auto *entropy = make<Record<Train>>();
  entropy->key<&Train::labelSmoothing>("label_smoothing", make<NumberType>(Range::upTo(0, 1)),
                                       "The share of each label spread over all classes.");
  auto *types = make<WordType<DataType>>(
      Words<DataType>{{"f32", DataType::F32}, {"bf16", DataType::Bf16}, {"fp16", DataType::F16}});

  auto *train = make<Record<Train>>();
  train->key<&Train::epochs>("epochs", make<IntegerType>(1, 1'000'000),
                             "Passes over the training set.");
  train->key<&Train::maxSteps>("max_steps", make<IntegerType>(0, int64_t(1) << 40),
                               "Ends the run after so many steps; 0: no limit.");
  train->key<&Train::batchSize>("batch_size", make<IntegerType>(1, 1 << 20),
                                "Samples in an update, over all processes.");
  train->key<&Train::accumulate>("accumulate", make<IntegerType>(1, 1 << 20),
                                 "Each update takes its samples in so many parts, one after the "
                                 "other, which needs the memory of one part.");
  train->key<&Train::recompute>("recompute", make<BoolType>(),
                                "Values inside the copies of a `repeat` are computed again for the "
                                "backward pass instead of kept: less memory, more time.");
  train->self("loss", make<LossType>(entropy), "The mean over the batch is minimised.")
      .markedAs(detail::markOf<&Train::loss>);
  train->key<&Train::clipGradNorm>("clip_grad_norm", make<NumberType>(Range::atLeast(0)),
                                   "Largest norm of all gradients together; 0: no limit.");
  train->key<&Train::ema>("ema", make<NumberType>(Range::upTo(0, 1)),
                          "Decay of a moving average of the weights, which then is what is "
                          "validated, kept as best and tested; 0: none.");
  train
      ->key<&Train::init>("init", make<TextType>(TextForm::Path),
                          "Initial weights (safetensors, or the .onnx file of a model of kind: "
                          "onnx), from the spec's folder; not written: "
                          "random, from `seed`.")
      .hiddenUnset();
  train->key<&Train::dtype>("dtype", types,
                            "What the operands of matrix products are rounded to. Weights, their "
                            "updates, checkpoints and all sums are f32 with each; with fp16 "
                            "gradients are scaled.");
  train->key<&Train::lrScale>("lr_scale", make<NumberType>(Range::above(0)),
                              "Multiplies the learning rate of the scheduler.");
  train
      ->key<&Train::phases>("phases", make<ListType<Phase>>(phase(), "phases", 1, 64),
                            "Spans of training, each with a structure of its own; weights are "
                            "converted in between (docs/Phases.md). Not written: one phase.")
      .hiddenUnset();
  train->checkedBy(checkTrain);
  return train;
}

const Record<Phase> *Schema::phase() {
  auto *phase = make<Record<Phase>>();
  phase->key<&Phase::epochs>("epochs", make<IntegerType>(1, 1'000'000), "How long.").required();
  phase->self("structure", make<PhaseStructureType>(rules), "In place of the section `structure`.")
      .markedAs(detail::markOf<&Phase::structureMark>)
      .hiddenUnset();
  phase->key<&Phase::optimizerState>(
      "optimizer_state",
      make<WordType<BorderState>>(
          Words<BorderState>{{"reset", BorderState::Reset}, {"project", BorderState::Project}}),
      "At the phase's beginning: as of a new optimizer, or carried over, that of converted linears "
      "by the chain rule.");
  phase
      ->self("lr_scale", make<PhaseNumberType>(&Phase::lrScale, Range::above(0)),
             "In place of train.lr_scale.")
      .hiddenUnset();
  phase->key<&Phase::maxError>("max_error", make<NumberType>(Range::within(0, 1)),
                               "Largest relative error of a converted weight (Frobenius norm); "
                               "more ends the run before the phase.");
  phase
      ->self("max_loss_rise", make<PhaseNumberType>(&Phase::maxLossRise, Range::atLeast(0)),
             "By so much at most the conversion may raise the loss of a fixed batch; more ends the "
             "run before the phase. Not written: no limit.")
      .hiddenUnset();
  phase->markedBy<&Phase::mark>();
  return phase;
}

const Record<Optimizer> *Schema::optimizer() {
  auto *fraction = make<NumberType>(Range::upTo(0, 1));
  auto *optimizer = make<Record<Optimizer>>();
  optimizer->key<&Optimizer::kind>(
      "type",
      make<WordType<OptimizerKind>>(Words<OptimizerKind>{{"sgd", OptimizerKind::Sgd},
                                                         {"adam", OptimizerKind::Adam},
                                                         {"adamw", OptimizerKind::AdamW}}),
      "As PyTorch's of the same name.");
  optimizer->key<&Optimizer::lr>("lr", make<NumberType>(Range::above(0)), "The learning rate.");
  optimizer->key<&Optimizer::momentum>("momentum", fraction, "Of sgd.").onlyWith("type", {"sgd"});
  optimizer
      ->key<&Optimizer::betas>("betas", make<ListType<double>>(fraction, "numbers", 2, 2),
                               "Decay of the mean of the gradients and of their squares.")
      .onlyWith("type", {"adam", "adamw"});
  optimizer
      ->key<&Optimizer::epsilon>("eps", make<NumberType>(Range::above(0)),
                                 "Added to the denominator.")
      .onlyWith("type", {"adam", "adamw"});
  optimizer->key<&Optimizer::weightDecay>(
      "weight_decay", make<NumberType>(Range::atLeast(0)),
      "Pulls weights to 0, but no biases, norms, class tokens and "
      "positions; apart from the gradient in adamw.");
  return optimizer;
}

const Record<Schedule> *Schema::scheduler() {
  auto *scheduler = make<Record<Schedule>>();
  scheduler->key<&Schedule::kind>(
      "type",
      make<WordType<ScheduleKind>>(Words<ScheduleKind>{{"constant", ScheduleKind::Constant},
                                                       {"step", ScheduleKind::Step},
                                                       {"cosine", ScheduleKind::Cosine}}),
      "constant; step: times gamma every step_size epochs; cosine: per step, from 0 up to lr over "
      "the warm-up, then down to min_lr.");
  scheduler->key<&Schedule::stepSize>("step_size", make<IntegerType>(1, 1'000'000), "In epochs.")
      .onlyWith("type", {"step"});
  scheduler->key<&Schedule::gamma>("gamma", make<NumberType>(Range::above(0)), "The factor.")
      .onlyWith("type", {"step"});
  scheduler
      ->key<&Schedule::warmupEpochs>("warmup_epochs", make<NumberType>(Range::atLeast(0)),
                                     "In epochs; may be a fraction.")
      .onlyWith("type", {"cosine"});
  scheduler->key<&Schedule::minLr>("min_lr", make<NumberType>(Range::atLeast(0)), "At the end.")
      .onlyWith("type", {"cosine"});
  return scheduler;
}

const Record<Dist> *Schema::dist() {
  auto *dist = make<Record<Dist>>();
  dist->key<&Dist::backend>(
      "backend",
      make<WordType<DistBackend>>(Words<DistBackend>{
          {"auto", DistBackend::Auto}, {"gloo", DistBackend::Gloo}, {"nccl", DistBackend::Nccl}}),
      "What adds up gradients: gloo over TCP, nccl between GPUs; auto: nccl between GPUs, memory "
      "that "
      "processes of one host share, else gloo.");
  dist->key<&Dist::bucketMb>("bucket_mb", make<IntegerType>(1, 4096),
                             "Gradients are added up in parts of at most so many MiB, each as soon "
                             "as the backward pass has it.");
  dist->key<&Dist::timeoutS>("timeout_s", make<IntegerType>(1, 86'400),
                             "A process that is silent for so many seconds ends the run.");
  dist->key<&Dist::sharded>("sharded", make<BoolType>(),
                            "Each process updates a part of the parameters and holds the "
                            "optimizer's state of this part alone (ZeRO-1).");
  return dist;
}

const Record<Spec> *Schema::checkpoint() {
  auto *checkpoint = make<Record<Spec>>();
  checkpoint->key<&Spec::checkpointEveryNSteps>(
      "every_n_steps", make<IntegerType>(0, int64_t(1) << 40), "0: after each epoch.");
  checkpoint->key<&Spec::checkpointKeep>("keep", make<IntegerType>(1, 10'000),
                                         "How many of the last ones are kept.");
  return checkpoint;
}

const Record<Spec> *Schema::log() {
  auto *log = make<Record<Spec>>();
  log->key<&Spec::logEvery>("every", make<IntegerType>(0, int64_t(1) << 40),
                            "Writes the loss every so many steps; 0: every few seconds.");
  return log;
}

const Record<Spec> *Schema::profile() {
  auto *profile = make<Record<Spec>>();
  profile->key<&Spec::trace>(
      "trace", make<BoolType>(),
      "Writes trace.json of a few steps into the run's folder, for Perfetto: "
      "kernels, input and communication of every thread and rank.");
  profile->key<&Spec::traceSteps>("steps", make<IntegerType>(1, 1000),
                                  "Steps in the trace; five others run before, where there are so "
                                  "many.");
  profile->key<&Spec::timedSteps>(
      "timed_steps", make<IntegerType>(0, 1000),
      "Steps of each phase whose kernels are timed for report.html, in its first epoch after five "
      "others; 0: none.");
  return profile;
}

} // namespace danaus::spec
