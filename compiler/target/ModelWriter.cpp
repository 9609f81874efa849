// Filling the FlatBuffers objects of runtime/plan/model.fbs.
#include "compiler/target/ModelWriter.h"

#include "compiler/lower/Layout.h"
#include "dialects/nn/NN.h"
#include "dialects/plan/Plan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace danaus;

namespace {

std::vector<uint64_t> shapeOf(Type type) {
  auto shape = cast<RankedTensorType>(type).getShape();
  return {shape.begin(), shape.end()};
}

std::unique_ptr<fb::InitT> describeInit(DictionaryAttr init) {
  auto result = std::make_unique<fb::InitT>();
  StringRef kind = init ? init.getAs<StringAttr>("kind").getValue() : "zeros";
  result->kind = kind == "uniform"            ? fb::InitKind::Uniform
                 : kind == "ones"             ? fb::InitKind::Ones
                 : kind == "truncated_normal" ? fb::InitKind::TruncatedNormal
                                              : fb::InitKind::Zeros;
  if (auto scale = init ? init.getAs<FloatAttr>("scale") : FloatAttr())
    result->scale = scale.getValueAsDouble();
  return result;
}

void describeImages(const spec::Data &spec, fb::DataT &data) {
  data.resize = spec.resize.value;
  data.pad = spec.pad.value;
  data.channels = spec.channels.value;
  for (const spec::Augment &entry : spec.augment)
    switch (entry.kind) {
    case spec::AugmentKind::RandomCrop:
      data.crop_padding = entry.padding.value;
      break;
    case spec::AugmentKind::HorizontalFlip:
      data.flip_probability = entry.flipProbability;
      break;
    case spec::AugmentKind::RandomResizedCrop:
      data.resized_crop = std::make_unique<fb::ResizedCropT>();
      data.resized_crop->min_scale = entry.scale.value[0];
      data.resized_crop->max_scale = entry.scale.value[1];
      data.resized_crop->min_ratio = entry.ratio.value[0];
      data.resized_crop->max_ratio = entry.ratio.value[1];
      break;
    case spec::AugmentKind::RandomErasing:
      data.erase_probability = entry.eraseProbability;
      break;
    case spec::AugmentKind::Mixup:
      data.mixup_alpha = entry.mixupAlpha;
      break;
    case spec::AugmentKind::Cutmix:
      data.cutmix_alpha = entry.cutmixAlpha;
      break;
    }
}

void describeSettings(const spec::Spec &spec, fb::ModelT &model) {
  auto data = std::make_unique<fb::DataT>();
  data->name = spec.data.name.value;
  data->dir = spec.data.dir.value;
  data->shuffle = spec.data.shuffle;
  data->validation = spec.data.validation.value;
  data->normalize_mean.assign(spec.data.mean.begin(), spec.data.mean.end());
  data->normalize_std.assign(spec.data.deviation.begin(), spec.data.deviation.end());
  describeImages(spec.data, *data);
  model.data = std::move(data);

  auto training = std::make_unique<fb::TrainingT>();
  training->epochs = spec.train.epochs.value;
  training->batch_size = spec.train.batchSize.value;
  training->accumulate = spec.train.accumulate.value;
  training->max_steps = spec.train.maxSteps.value;
  training->init = spec.train.init.value;
  training->ema = spec.train.ema;
  training->dtype = spec.train.dtype == spec::DataType::Bf16  ? fb::DType::BF16
                    : spec.train.dtype == spec::DataType::F16 ? fb::DType::F16
                                                              : fb::DType::F32;
  training->clip_grad_norm = spec.train.clipGradNorm;
  training->label_smoothing = spec.train.labelSmoothing;
  training->checkpoint_every_n_steps = spec.checkpointEveryNSteps;
  training->checkpoint_keep = spec.checkpointKeep;
  training->log_every = spec.logEvery;
  training->trace_steps = spec.trace ? spec.traceSteps : 0;
  training->timed_steps = spec.timedSteps;
  training->ranks = spec.train.ranks;
  model.training = std::move(training);

  auto dist = std::make_unique<fb::DistT>();
  dist->backend = spec.dist.backend == spec::DistBackend::Gloo   ? fb::DistBackend::Gloo
                  : spec.dist.backend == spec::DistBackend::Nccl ? fb::DistBackend::Nccl
                                                                 : fb::DistBackend::Auto;
  dist->timeout_s = spec.dist.timeoutS;
  dist->sharded = spec.dist.sharded;
  model.dist = std::move(dist);

  auto optimizer = std::make_unique<fb::OptimizerT>();
  optimizer->kind = spec.optimizer.kind == spec::OptimizerKind::Sgd    ? fb::OptimizerKind::Sgd
                    : spec.optimizer.kind == spec::OptimizerKind::Adam ? fb::OptimizerKind::Adam
                                                                       : fb::OptimizerKind::AdamW;
  optimizer->momentum = spec.optimizer.momentum.value;
  optimizer->beta1 = spec.optimizer.betas.value[0];
  optimizer->beta2 = spec.optimizer.betas.value[1];
  optimizer->epsilon = spec.optimizer.epsilon.value;
  optimizer->weight_decay = spec.optimizer.weightDecay.value;
  model.optimizer = std::move(optimizer);

  auto schedule = std::make_unique<fb::ScheduleT>();
  schedule->kind = spec.schedule.kind == spec::ScheduleKind::Constant ? fb::ScheduleKind::Constant
                   : spec.schedule.kind == spec::ScheduleKind::Step   ? fb::ScheduleKind::Step
                                                                      : fb::ScheduleKind::Cosine;
  schedule->lr = spec.optimizer.lr.value;
  schedule->step_size = spec.schedule.stepSize;
  schedule->gamma = spec.schedule.gamma;
  schedule->warmup_epochs = spec.schedule.warmupEpochs;
  schedule->min_lr = spec.schedule.minLr.value;
  model.schedule = std::move(schedule);
}

fb::BufferRole roleOf(StringRef role) {
  return llvm::StringSwitch<fb::BufferRole>(role)
      .Case("input", fb::BufferRole::Input)
      .Case("label", fb::BufferRole::Label)
      .Case("mix_label", fb::BufferRole::MixLabel)
      .Case("mix_weight", fb::BufferRole::MixWeight)
      .Case("control", fb::BufferRole::Control)
      .Case("metrics", fb::BufferRole::Metrics)
      .Case("logits", fb::BufferRole::Logits)
      .Default(fb::BufferRole::Activation);
}

std::unique_ptr<fb::BufferT> describeBuffer(plan::BufferOp op) {
  auto buffer = std::make_unique<fb::BufferT>();
  buffer->name = op.getName().str();
  buffer->role = roleOf(op.getRole());
  buffer->dtype = cast<RankedTensorType>(op.getType()).getElementType().isInteger()
                      ? fb::DType::I32
                      : fb::DType::F32;
  buffer->shape = shapeOf(op.getType());
  buffer->offset = op.getOffset();
  buffer->bytes = bytesOf(op.getType());
  return buffer;
}

fb::CollectiveKind kindOf(plan::CollectiveKind kind) {
  switch (kind) {
  case plan::CollectiveKind::AllReduce:
    return fb::CollectiveKind::AllReduce;
  case plan::CollectiveKind::ReduceScatter:
    return fb::CollectiveKind::ReduceScatter;
  case plan::CollectiveKind::AllGather:
    return fb::CollectiveKind::AllGather;
  }
  llvm_unreachable("a collective of no kind");
}

/// What begins and is awaited between the stages of a program.
void describeCollectives(plan::ProgramOp op, fb::ProgramT &program) {
  uint32_t stage = 0, waiting = 0; // those from `waiting` on have met no plan.wait yet
  auto waitUntil = [&](uint32_t count) {
    for (; waiting < count; ++waiting)
      program.collectives[waiting]->before = stage;
  };
  for (Operation &each : op.getBody().front()) {
    if (isa<plan::StageOp>(each)) {
      ++stage;
    } else if (auto wait = dyn_cast<plan::WaitOp>(each)) {
      waitUntil(uint32_t(wait.getNumber()) + 1);
    } else if (auto collective = plan::collectiveOf(&each)) {
      auto table = std::make_unique<fb::CollectiveT>();
      table->kind = kindOf(collective->kind);
      table->after = stage;
      table->offset = collective->offset;
      table->elements = collective->elements;
      table->label = collective->label.str();
      program.collectives.push_back(std::move(table));
    }
  }
  waitUntil(program.collectives.size());
}

std::unique_ptr<fb::ProgramT> describeProgram(plan::ProgramOp op,
                                              const llvm::StringMap<uint32_t> &kernels) {
  auto program = std::make_unique<fb::ProgramT>();
  program->kind = llvm::StringSwitch<fb::ProgramKind>(op.getSymName())
                      .Case("train_step", fb::ProgramKind::TrainStep)
                      .Case("gradient_step", fb::ProgramKind::GradientStep)
                      .Case("update_step", fb::ProgramKind::UpdateStep)
                      .Default(fb::ProgramKind::EvalStep);
  program->batch = op.getBatch();
  for (auto stageOp : op.getBody().getOps<plan::StageOp>()) {
    auto stage = std::make_unique<fb::StageT>();
    for (auto launchOp : stageOp.getBody().getOps<plan::LaunchOp>()) {
      auto launch = std::make_unique<fb::LaunchT>();
      launch->kernel = kernels.lookup(launchOp.getKernel());
      launch->buffers.assign(launchOp.getOffsets().begin(), launchOp.getOffsets().end());
      launch->label = launchOp.getLabel().str();
      launch->flops = launchOp.getFlops();
      launch->bytes = launchOp.getBytes();
      launch->matrix_flops = 0;
      if (auto flops = launchOp->getAttrOfType<IntegerAttr>(plan::MatrixFlopsAttr))
        launch->matrix_flops = uint64_t(flops.getInt());
      if (auto products = launchOp->getAttrOfType<IntegerAttr>(plan::MatrixProductsAttr))
        launch->matrix_products = uint32_t(products.getInt());
      if (auto lines = launchOp->getAttrOfType<DenseI64ArrayAttr>("lines"))
        launch->lines.assign(lines.asArrayRef().begin(), lines.asArrayRef().end());
      if (auto strides = launchOp.getStrides())
        launch->strides.assign(strides->begin(), strides->end());
      stage->launches.push_back(std::move(launch));
    }
    program->stages.push_back(std::move(stage));
  }
  describeCollectives(op, *program);
  for (auto live : op.getBody().getOps<plan::LiveOp>()) {
    auto value = std::make_unique<fb::ValueT>();
    value->label = live.getLabel().str();
    value->offset = live.getOffset();
    value->bytes = live.getBytes();
    value->first = uint32_t(live.getFirst());
    value->last = uint32_t(live.getLast());
    program->values.push_back(std::move(value));
  }
  return program;
}

} // namespace

std::unique_ptr<fb::PhaseT> danaus::describePhase(const spec::Spec &spec, size_t index,
                                                  func::FuncOp forward) {
  auto phase = std::make_unique<fb::PhaseT>();
  spec::Phase settings;
  settings.epochs = spec.train.epochs;
  if (!spec.train.phases.empty())
    settings = spec.train.phases[index];
  phase->epochs = settings.epochs.value;
  phase->lr_scale = settings.lrScale.value_or(spec.train.lrScale);
  phase->projects_state = settings.optimizerState == spec::BorderState::Project;
  phase->max_error = settings.maxError;
  if (settings.maxLossRise)
    phase->max_loss_rise = *settings.maxLossRise;
  for (BlockArgument argument : forward.getArguments()) {
    unsigned i = argument.getArgNumber();
    auto role = forward.getArgAttrOfType<StringAttr>(i, nn::RoleAttr);
    if (!role || role.getValue() != "parameter")
      continue;
    auto parameter = std::make_unique<fb::ParameterT>();
    parameter->name = forward.getArgAttrOfType<StringAttr>(i, nn::NameAttr).str();
    parameter->shape = shapeOf(argument.getType());
    parameter->init = describeInit(forward.getArgAttrOfType<DictionaryAttr>(i, nn::InitAttr));
    parameter->decay = bool(forward.getArgAttr(i, nn::DecayAttr));
    phase->parameters.push_back(std::move(parameter));
  }
  std::vector<LayerRow> rows = collectLayers(forward);
  ModelTotals totals = collectTotals(forward, rows);
  phase->params = totals.params;
  phase->macs = totals.macs;
  for (const LayerRow &row : rows) {
    auto layer = std::make_unique<fb::LayerT>();
    layer->name = row.name;
    layer->structure = row.structure;
    layer->in_features = row.in;
    layer->out_features = row.out;
    layer->params = row.params;
    layer->macs = row.macs;
    layer->dense_params = row.denseParams;
    layer->dense_macs = row.denseMacs;
    layer->line = row.line;
    phase->layers.push_back(std::move(layer));
    if (!row.rankBy)
      continue;
    auto rule = std::make_unique<fb::RankRuleT>();
    rule->layer = row.name;
    rule->energy = *row.rankBy;
    phase->rank_rules.push_back(std::move(rule));
  }
  return phase;
}

fb::ModelT danaus::describeModel(const spec::Spec &spec, func::FuncOp forward) {
  fb::ModelT model;
  model.name = spec.name.value;
  model.seed = spec.seed;
  model.compiler = "danausc " DANAUS_VERSION;
  ArrayRef<int64_t> sample = nn::shapeOf(forward.getArgument(0)).drop_front();
  model.input_shape.assign(sample.begin(), sample.end());
  model.classes = shapeOf(forward.getResultTypes()[2])[1];
  model.spec = spec.resolved;
  describeSettings(spec, model);
  ModelTotals totals = collectTotals(forward, collectLayers(forward));
  model.dense_params = totals.denseParams;
  model.dense_macs = totals.denseMacs;
  return model;
}

std::unique_ptr<fb::TargetPlanT> danaus::describePlan(ModuleOp module, const fb::PhaseT &phase,
                                                      StringRef target, StringRef isa,
                                                      uint32_t codeSection) {
  auto plan = std::make_unique<fb::TargetPlanT>();
  plan->target = target.str();
  plan->isa = isa.str();
  plan->code_section = codeSection;
  plan->arena_bytes = module->getAttrOfType<IntegerAttr>(plan::ArenaBytesAttr).getInt();
  llvm::StringMap<int64_t> offsets;
  SmallVector<std::pair<std::string, int64_t>> states; // in order: m before v
  for (auto buffer : module.getOps<plan::BufferOp>()) {
    StringRef role = buffer.getRole();
    offsets[buffer.getName()] = buffer.getOffset();
    if (role == "state")
      states.push_back({buffer.getName().str(), buffer.getOffset()});
    else if (role != "parameter" && role != "gradient")
      plan->buffers.push_back(describeBuffer(buffer));
  }
  for (const auto &parameter : phase.parameters) {
    auto place = std::make_unique<fb::ParameterPlaceT>();
    place->offset = offsets.lookup(parameter->name);
    place->gradient_offset = offsets.lookup(parameter->name + ".gradient");
    for (const auto &[name, offset] : states)
      if (StringRef(name).rsplit('.').first == parameter->name)
        place->state_offsets.push_back(offset);
    plan->places.push_back(std::move(place));
  }
  for (auto op : module.getOps<plan::ShardOp>()) {
    auto shard = std::make_unique<fb::ShardT>();
    shard->offset = op.getParameters();
    shard->gradient_offset = op.getGradients();
    shard->part_bytes = op.getBytes();
    shard->state_offsets.assign(op.getStates().begin(), op.getStates().end());
    plan->shards.push_back(std::move(shard));
  }
  llvm::StringMap<uint32_t> kernels;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function->hasAttr(plan::KindAttr))
      continue;
    auto kernel = std::make_unique<fb::KernelT>();
    kernel->symbol = function.getName().str();
    kernel->kind = function->getAttrOfType<StringAttr>(plan::KindAttr).str();
    kernel->tiles = function->getAttrOfType<IntegerAttr>(plan::TilesAttr).getInt();
    kernel->scratch_bytes = function->getAttrOfType<IntegerAttr>(plan::ScratchAttr).getInt();
    kernel->arguments = function.getNumArguments() + function.getNumResults();
    kernels[function.getName()] = plan->kernels.size();
    plan->kernels.push_back(std::move(kernel));
  }
  for (auto program : module.getOps<plan::ProgramOp>())
    plan->programs.push_back(describeProgram(program, kernels));
  return plan;
}
