// See TinyModel.h. TINY_KERNELS is the path of the built shared object.
#include "test/runtime/support/TinyModel.h"

#include "runtime/base/File.h"
#include "runtime/base/Philox.h"
#include "runtime/plan/Control.h"

namespace danaus::test {

namespace {

constexpr uint64_t inputs = 784, classes = 10;

/// Hands out the arena.
struct Layout {
  uint64_t end = 0;
  uint64_t take(uint64_t floats) {
    uint64_t offset = end;
    end += (floats * 4 + 63) / 64 * 64;
    return offset;
  }
};

template <typename T> std::unique_ptr<T> make() { return std::make_unique<T>(); }

std::unique_ptr<fb::ParameterT> parameter(const char *name, std::vector<uint64_t> shape) {
  auto table = make<fb::ParameterT>();
  table->name = name;
  table->shape = std::move(shape);
  table->init = make<fb::InitT>();
  table->init->kind = fb::InitKind::Uniform;
  table->init->scale = 0.03;
  return table;
}

std::unique_ptr<fb::ParameterPlaceT> place(uint64_t value, uint64_t gradient,
                                           std::vector<uint64_t> states) {
  auto table = make<fb::ParameterPlaceT>();
  table->offset = value;
  table->gradient_offset = gradient;
  table->state_offsets = std::move(states);
  return table;
}

std::unique_ptr<fb::BufferT> buffer(fb::BufferRole role, fb::DType type,
                                    std::vector<uint64_t> shape, uint64_t offset) {
  auto table = make<fb::BufferT>();
  table->name = fb::EnumNameBufferRole(role);
  table->role = role;
  table->dtype = type;
  table->bytes = 4;
  for (uint64_t extent : shape)
    table->bytes *= extent;
  table->shape = std::move(shape);
  table->offset = offset;
  return table;
}

std::unique_ptr<fb::KernelT> kernel(const char *symbol, uint64_t tiles, uint32_t arguments) {
  auto table = make<fb::KernelT>();
  table->symbol = symbol;
  table->kind = "map";
  table->tiles = tiles;
  table->arguments = arguments;
  return table;
}

std::unique_ptr<fb::StageT> stage(uint32_t kernel, std::vector<uint64_t> buffers) {
  auto launch = make<fb::LaunchT>();
  launch->kernel = kernel;
  launch->buffers = std::move(buffers);
  launch->label = "output";
  auto table = make<fb::StageT>();
  table->launches.push_back(std::move(launch));
  return table;
}

std::unique_ptr<fb::ProgramT> program(fb::ProgramKind kind, uint64_t batch,
                                      std::unique_ptr<fb::StageT> first) {
  auto table = make<fb::ProgramT>();
  table->kind = kind;
  table->batch = batch;
  table->stages.push_back(std::move(first));
  return table;
}

std::unique_ptr<fb::TargetPlanT> targetPlan(const TinyOptions &options) {
  using fb::BufferRole;
  using fb::DType;
  Layout layout;
  uint64_t batch = tinyBatch / options.accumulate;
  uint64_t w = layout.take(classes * inputs), b = layout.take(classes);
  uint64_t gw = layout.take(classes * inputs), gb = layout.take(classes);
  uint64_t mw = layout.take(classes * inputs), mb = layout.take(classes);
  uint64_t input = layout.take(batch * inputs), label = layout.take(batch);
  uint64_t control = layout.take(control::Count), metrics = layout.take(metrics::Count);
  uint64_t errors = layout.take(batch * classes), logits = layout.take(batch * classes);
  uint64_t sums = layout.take(metrics::Count);

  auto plan = make<fb::TargetPlanT>();
  plan->target = "cpu";
  plan->isa = "baseline";
  plan->code_section = 1;
  std::vector<uint64_t> statesOfW = {mw}, statesOfB = {mb};
  if (options.ema > 0) {
    statesOfW.push_back(layout.take(classes * inputs));
    statesOfB.push_back(layout.take(classes));
  }
  plan->arena_bytes = layout.end;
  plan->places.push_back(place(w, gw, statesOfW));
  plan->places.push_back(place(b, gb, statesOfB));
  plan->buffers.push_back(buffer(BufferRole::Input, DType::F32, {batch, inputs}, input));
  plan->buffers.push_back(buffer(BufferRole::Label, DType::I32, {batch}, label));
  plan->buffers.push_back(buffer(BufferRole::Control, DType::F32, {control::Count}, control));
  plan->buffers.push_back(buffer(BufferRole::Metrics, DType::F32, {metrics::Count}, metrics));
  plan->buffers.push_back(buffer(BufferRole::Logits, DType::F32, {batch, classes}, logits));
  if (options.mixes) {
    uint64_t labels = layout.take(batch), weights = layout.take(batch);
    plan->arena_bytes = layout.end;
    plan->buffers.push_back(buffer(BufferRole::MixLabel, DType::I32, {batch}, labels));
    plan->buffers.push_back(buffer(BufferRole::MixWeight, DType::F32, {batch}, weights));
  }
  plan->kernels.push_back(kernel("tiny_forward", 1, 7));
  plan->kernels.push_back(kernel("tiny_update", classes, 8));
  plan->kernels.push_back(kernel("tiny_eval", 1, 7));
  plan->kernels.push_back(kernel("tiny_eval_micro", 1, 6));
  plan->kernels.push_back(kernel("tiny_gradient", 1, 8));
  plan->kernels.push_back(kernel("tiny_apply", 1, 9));
  auto add = [&](fb::ProgramKind kind, std::unique_ptr<fb::StageT> first) {
    plan->programs.push_back(program(kind, batch, std::move(first)));
  };
  if (options.accumulate == 1) {
    add(fb::ProgramKind::TrainStep, stage(0, {w, b, input, label, control, metrics, errors}));
    plan->programs.back()->stages.push_back(
        stage(1, {w, b, mw, mb, input, control, metrics, errors}));
    add(fb::ProgramKind::EvalStep, stage(2, {w, b, input, label, control, metrics, logits}));
  } else {
    add(fb::ProgramKind::GradientStep, stage(4, {w, b, input, label, control, sums, gw, gb}));
    add(fb::ProgramKind::UpdateStep, stage(5, {w, b, mw, mb, gw, gb, control, sums, metrics}));
    add(fb::ProgramKind::EvalStep, stage(3, {w, b, input, label, control, metrics}));
  }
  plan->kernels.push_back(kernel("tiny_average", 1, 5));
  if (options.ema > 0) // the program before EvalStep makes the update
    plan->programs[plan->programs.size() - 2]->stages.push_back(
        stage(6, {w, b, statesOfW.back(), statesOfB.back(), metrics}));
  return plan;
}

std::unique_ptr<fb::LayerT> layer() {
  auto table = make<fb::LayerT>();
  table->name = "output";
  table->structure = "dense";
  table->in_features = inputs;
  table->out_features = classes;
  table->params = table->dense_params = classes * inputs + classes;
  table->macs = table->dense_macs = classes * inputs;
  table->line = 5;
  return table;
}

} // namespace

fb::ModelT tinyModel(const TinyOptions &options) {
  fb::ModelT model;
  model.name = "tiny";
  model.seed = options.seed;
  model.compiler = "test";
  model.input_shape = {28, 28};
  model.classes = classes;
  model.dense_params = classes * inputs + classes;
  model.dense_macs = classes * inputs;
  model.data = make<fb::DataT>();
  model.data->name = "fashion_mnist";
  model.data->shuffle = true;
  model.data->validation = options.validation;
  model.dist = make<fb::DistT>();
  model.training = make<fb::TrainingT>();
  model.training->epochs = options.epochs;
  model.training->batch_size = tinyBatch;
  model.training->ema = options.ema;
  model.training->accumulate = options.accumulate;
  model.training->max_steps = options.maxSteps;
  model.training->init = options.init;
  model.training->checkpoint_every_n_steps = options.everyNSteps;
  model.training->checkpoint_keep = 1;
  model.optimizer = make<fb::OptimizerT>();
  model.optimizer->kind = fb::OptimizerKind::Sgd;
  model.optimizer->momentum = 0.9;
  model.schedule = make<fb::ScheduleT>();
  model.schedule->lr = options.lr;
  model.spec = options.spec;
  auto phase = make<fb::PhaseT>();
  phase->epochs = options.epochs;
  phase->params = model.dense_params;
  phase->macs = model.dense_macs;
  phase->parameters.push_back(parameter("output.weight", {classes, inputs}));
  phase->parameters.push_back(parameter("output.bias", {classes}));
  phase->layers.push_back(layer());
  phase->targets.push_back(targetPlan(options));
  model.phases.push_back(std::move(phase));
  return model;
}

Status writeTinyModel(const std::string &path, const fb::ModelT &model) {
  Expected<std::string> code = readFile(TINY_KERNELS, 16 << 20);
  if (!code)
    return code.takeError();
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishModelBuffer(builder, fb::Model::Pack(builder, &model));
  std::span<const uint8_t> table(builder.GetBufferPointer(), builder.GetSize());
  Section sections[] = {
      {0, SectionKind::ModelTable, std::as_bytes(table)},
      {1, SectionKind::CpuSharedObject, std::as_bytes(std::span<const char>(*code))}};
  return writeModelFile(path, sections);
}

/// Noise, with the rows 2 label .. 2 label + 3 of the image brighter.
Dataset tinyDataset(uint32_t count, uint32_t seed) {
  Dataset dataset;
  dataset.name = "fashion_mnist";
  dataset.shape = {1, 28, 28};
  dataset.classes = classes;
  for (uint32_t image = 0; image < count; ++image) {
    uint32_t label = philox4x32({image, 0, 1, 0}, {seed, 0})[0] % classes;
    for (uint32_t pixel = 0; pixel < inputs; ++pixel) {
      uint32_t noise = philox4x32({image, pixel, 0, 0}, {seed, 0})[0] % 100;
      bool bright = pixel / 28 >= 2 * label && pixel / 28 < 2 * label + 4;
      dataset.images.push_back(uint8_t(noise + (bright ? 150 : 0)));
    }
    dataset.labels.push_back(int32_t(label));
  }
  return dataset;
}

} // namespace danaus::test
