// Model tables that are well formed but say something impossible: each has its own message.
#include "test/runtime/plan/TestModel.h"

#include "runtime/plan/Validate.h"

#include <cmath>

#include <array>
#include <functional>
#include <gtest/gtest.h>
#include <limits>

using namespace danaus;
using namespace danaus::test;

namespace {

constexpr double NotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr double Infinite = std::numeric_limits<double>::infinity();

/// Makes the model cut out random parts: least and most scale, least and most ratio.
void crop(fb::ModelT &model, uint32_t resize, std::array<double, 4> ranges) {
  model.data->resize = resize;
  model.data->resized_crop = std::make_unique<fb::ResizedCropT>();
  model.data->resized_crop->min_scale = ranges[0];
  model.data->resized_crop->max_scale = ranges[1];
  model.data->resized_crop->min_ratio = ranges[2];
  model.data->resized_crop->max_ratio = ranges[3];
}

/// Makes two ranks share the update: w is rank 0's, b rank 1's.
void shard(fb::ModelT &model, fb::TargetPlanT &plan) {
  model.training->ranks = 2;
  for (auto &place : plan.places)
    place->state_offsets.clear();
  auto shard = std::make_unique<fb::ShardT>();
  shard->offset = 0;
  shard->gradient_offset = 128;
  shard->part_bytes = 64;
  shard->state_offsets = {256};
  plan.shards.push_back(std::move(shard));
}

/// A collective of the first program.
void collect(fb::TargetPlanT &plan, fb::CollectiveKind kind, uint64_t elements) {
  auto table = std::make_unique<fb::CollectiveT>();
  table->kind = kind;
  table->offset = 128;
  table->elements = elements;
  table->label = "g";
  plan.programs[0]->collectives.push_back(std::move(table));
}

/// Four bytes that live from the first stage to `last`.
std::unique_ptr<fb::ValueT> valueOf(uint64_t offset, uint32_t last) {
  auto value = std::make_unique<fb::ValueT>();
  value->label = "v";
  value->offset = offset;
  value->bytes = 4;
  value->last = last;
  return value;
}

std::unique_ptr<fb::RankRuleT> ruleOf(const std::string &layer, double energy) {
  auto rule = std::make_unique<fb::RankRuleT>();
  rule->layer = layer;
  rule->energy = energy;
  return rule;
}

std::unique_ptr<fb::LayerT> layerOf(const std::string &name) {
  auto layer = std::make_unique<fb::LayerT>();
  layer->name = name;
  layer->structure = "low_rank";
  return layer;
}

struct BrokenModel {
  const char *name;
  const char *message;
  std::function<void(fb::ModelT &, fb::PhaseT &, fb::TargetPlanT &)> breakIt;
};

#define BREAK [](fb::ModelT & model, fb::PhaseT & phase, fb::TargetPlanT & plan)

const BrokenModel BrokenModels[] = {
    {"InputShapeZero", "input_shape has a 0", BREAK{model.input_shape = {3, 0};
} // namespace
}
, {"InputShapeOverflow", "input_shape has a 0",
   BREAK{model.input_shape = {uint64_t(1) << 33, uint64_t(1) << 33};
}
}
, {"ValueStages", "value \"v\" lives from stage 0 to 7 of 1",
   BREAK{plan.programs[1]->values.push_back(valueOf(64, 7));
}
}
, {"ValueOutside", "value \"v\" (4 bytes at offset 6400) is outside the arena",
   BREAK{plan.programs[1]->values.push_back(valueOf(6400, 0));
}
}
, {"RankRuleOfNoLayer", "a rank rule is of no layer: hiden",
   BREAK{phase.rank_rules.push_back(ruleOf("hiden", 0.9));
}
}
, {"RankRuleEnergy", "has an energy that is not in [0, 1]",
   BREAK{phase.layers.push_back(layerOf("hidden"));
phase.rank_rules.push_back(ruleOf("hidden", NotANumber));
}
}
, {"RankRuleTwice", "a rank rule is of no layer", BREAK{phase.layers.push_back(layerOf("hidden"));
phase.rank_rules.push_back(ruleOf("hidden", 0.5));
phase.rank_rules.push_back(ruleOf("hidden", 0.5));
}
}
, {"Momentum", "optimizer.momentum is not", BREAK{model.optimizer->momentum = NotANumber;
}
}
, {"Beta1", "optimizer.beta1 is not", BREAK{model.optimizer->beta1 = Infinite;
}
}
, {"Beta2", "optimizer.beta2 is not", BREAK{model.optimizer->beta2 = Infinite;
}
}
, {"Epsilon", "optimizer.epsilon is not", BREAK{model.optimizer->epsilon = NotANumber;
}
}
, {"Decay", "weight_decay is not", BREAK{model.optimizer->weight_decay = NotANumber;
}
}
, {"Rate", "schedule.lr is not", BREAK{model.schedule->lr = NotANumber;
}
}
, {"Gamma", "schedule.gamma is not", BREAK{model.schedule->gamma = Infinite;
}
}
, {"Warmup", "warmup_epochs is not", BREAK{model.schedule->warmup_epochs = Infinite;
}
}
, {"MinRate", "min_lr is not", BREAK{model.schedule->min_lr = Infinite;
}
}
, {"Clip", "clip_grad_norm is not", BREAK{model.training->clip_grad_norm = Infinite;
}
}
, {"Smoothing", "label_smoothing is not", BREAK{model.training->label_smoothing = NotANumber;
}
}
, {"Accumulate", "training.accumulate = 3 does not divide batch_size = 4",
   BREAK{model.training->accumulate = 3;
}
}
, {"Ema", "training.ema is 1, not in [0, 1)", BREAK{model.training->ema = 1;
}
}
, {"EmaNotANumber", "training.ema is not", BREAK{model.training->ema = NotANumber;
}
}
, {"EmaWithoutAState", "the optimizer Sgd with a moving average needs 2",
   BREAK{model.training->ema = 0.9;
}
}
, {"AccumulateZero", "training.accumulate = 0 does not divide",
   BREAK{model.training->accumulate = 0;
}
}
, {"OptimizerKind", "unknown optimizer kind 77",
   BREAK{model.optimizer->kind = fb::OptimizerKind(77);
}
}
, {"ScheduleKind", "unknown schedule kind 77", BREAK{model.schedule->kind = fb::ScheduleKind(77);
}
}
, {"StepSize", "step_size is 0", BREAK{model.schedule->kind = fb::ScheduleKind::Step;
}
}
, {"BatchSize", "batch_size is 0", BREAK{model.training->batch_size = 0;
}
}
, {"Classes", "classes is 0", BREAK{model.classes = 0;
}
}
, {"Mean", "data.normalize, channel 0", BREAK{model.data->normalize_mean = {float(Infinite)};
}
}
, {"Deviation", "data.normalize, channel 0", BREAK{model.data->normalize_std = {0};
}
}
, {"Channels", "different channels", BREAK{model.data->normalize_std = {1, 1};
}
}
, {"Resize", "beyond all images", BREAK{model.data->resize = 1u << 30;
}
}
, {"FlipProbability", "data.flip_probability", BREAK{model.data->flip_probability = 1.5;
}
}
, {"EraseProbability", "data.erase_probability", BREAK{model.data->erase_probability = -Infinite;
}
}
, {"MixupAlpha", "data.mixup_alpha", BREAK{model.data->mixup_alpha = -1;
}
}
, {"CutmixAlpha", "data.cutmix_alpha", BREAK{model.data->cutmix_alpha = NotANumber;
}
}
, {"CropWithoutResize", "without data.resize", BREAK{crop(model, 0, {0.1, 1, 0.5, 2});
}
}
, {"CropScale", "min_scale <= max_scale", BREAK{crop(model, 8, {0.5, 0.1, 0.5, 2});
}
}
, {"CropRatio", "min_ratio <= max_ratio", BREAK{crop(model, 8, {0.1, 1, 0, 2});
}
}
, {"NoPhase", "no phase", BREAK{model.phases.clear();
}
}
, {"PhaseEpochs", "the phases have 7 epochs together", BREAK{phase.epochs = 7;
}
}
, {"PhaseScale", "lr_scale is not a finite number > 0", BREAK{phase.lr_scale = 0;
}
}
, {"PhaseError", "max_error is not a number from 0 to 1", BREAK{phase.max_error = NAN;
}
}
, {"NoTarget", "no target", BREAK{phase.targets.clear();
}
}
, {"UnnamedParameter", "without a name", BREAK{phase.parameters[0]->name = "";
}
}
, {"SameNames", "two parameters are called w", BREAK{phase.parameters[1]->name = "w";
}
}
, {"ParameterShape", "parameter w: its shape", BREAK{phase.parameters[0]->shape = {0};
}
}
, {"ParameterOverflow", "parameter w: its shape",
   BREAK{phase.parameters[0]->shape = {uint64_t(1) << 62};
}
}
, {"InitKind", "unknown init kind 9", BREAK{phase.parameters[0]->init->kind = fb::InitKind(9);
}
}
, {"InitScale", "init.scale", BREAK{phase.parameters[0]->init->scale = -1;
}
}
, {"CodeSection", "code section 3 is not", BREAK{plan.code_section = 3;
}
}
, {"CodeSectionKind", "code section 0 is not", BREAK{plan.code_section = 0;
}
}
, {"FusionSection", "fusion section 3 is not", BREAK{plan.fusion_section = 3;
}
}
, {"FusionSectionKind", "fusion section 1 is not", BREAK{plan.fusion_section = 1;
}
}
, {"Places", "1 places for 2 parameters", BREAK{plan.places.pop_back();
}
}
, {"PlaceOutside", "parameter w (24 bytes at offset 704) is outside",
   BREAK{plan.places[0]->offset = 704;
}
}
, {"PlaceWraps", "parameter w (24 bytes", BREAK{plan.places[0]->offset = ~uint64_t(63);
}
}
, {"PlaceUnaligned", "not aligned to 64", BREAK{plan.places[0]->offset = 4;
}
}
, {"GradientOutside", "the gradient of b", BREAK{plan.places[1]->gradient_offset = 1 << 20;
}
}
, {"StateOutside", "state 0 of b", BREAK{plan.places[1]->state_offsets = {1 << 20};
}
}
, {"StatesMissing", "parameter b has 0 optimizer states, the optimizer Sgd needs 1",
   BREAK{plan.places[1]->state_offsets.clear();
}
}
, {"StatesOfAdam", "the optimizer Adam needs 2",
   BREAK{model.optimizer->kind = fb::OptimizerKind::Adam;
}
}
, {"BufferRole", "unknown role 50", BREAK{plan.buffers[4]->role = fb::BufferRole(50);
}
}
, {"BufferType", "unknown type 50", BREAK{plan.buffers[4]->dtype = fb::DType(50);
}
}
, {"BufferShape", "buffer Logits: its shape", BREAK{plan.buffers[4]->shape = {4, 0};
}
}
, {"BufferBytes", "buffer Logits has 31 bytes, its shape needs 32",
   BREAK{plan.buffers[4]->bytes = 31;
}
}
, {"BufferOutside", "buffer Logits (32 bytes", BREAK{plan.buffers[4]->offset = 704;
}
}
, {"NoInput", "no buffer has the role Input", BREAK{plan.buffers.erase(plan.buffers.begin());
}
}
, {"NoLabel", "no buffer has the role Label", BREAK{plan.buffers[1]->role = fb::BufferRole::Scratch;
}
}
, {"NoControl", "no buffer has the role Control",
   BREAK{plan.buffers[2]->role = fb::BufferRole::Scratch;
}
}
, {"NoMetrics", "no buffer has the role Metrics",
   BREAK{plan.buffers[3]->role = fb::BufferRole::Scratch;
}
}
, {"TwoInputs", "two buffers have the role Input",
   BREAK{plan.buffers[4]->role = fb::BufferRole::Input;
}
}
, {"LabelType", "the Label buffer is F32 instead of I32",
   BREAK{plan.buffers[1]->dtype = fb::DType::F32;
}
}
, {"ShortInput", "the Input buffer has 9 elements, 12", BREAK{plan.buffers[0]->shape = {3, 3};
}
}
, {"ShortControl", "the Control buffer has 15", BREAK{plan.buffers[2]->shape = {15};
}
}
, {"ShortMetrics", "the Metrics buffer has 15", BREAK{plan.buffers[3]->shape = {15};
}
}
, {"ShortLogits", "the Logits buffer has 6", BREAK{plan.buffers[4]->shape = {3, 2};
}
}
, {"ShortMixLabels", "the MixLabel buffer has 2 elements, 4 are needed",
   BREAK{plan.buffers[4]->role = fb::BufferRole::MixLabel;
plan.buffers[4]->dtype = fb::DType::I32;
plan.buffers[4]->shape = {2};
}
}
, {"MixWeightType", "the MixWeight buffer is I32 instead of F32",
   BREAK{plan.buffers[4]->role = fb::BufferRole::MixWeight;
plan.buffers[4]->dtype = fb::DType::I32;
}
}
, {"HugeBatch", "more than 64 bits", BREAK{plan.programs[0]->batch = uint64_t(1) << 63;
}
}
, {"NoSymbol", "kernel without a symbol", BREAK{plan.kernels[0]->symbol = "";
}
}
, {"NoTiles", "kernel descend has 0 tiles", BREAK{plan.kernels[0]->tiles = 0;
}
}
, {"ManyTiles", "kernel descend has", BREAK{plan.kernels[0]->tiles = ~uint64_t(0);
}
}
, {"Scratch", "of scratch", BREAK{plan.kernels[0]->scratch_bytes = uint64_t(1) << 40;
}
}
, {"KernelIndex", "stage 0, launch \"w\": kernel 2 of 2",
   BREAK{plan.programs[0]->stages[0]->launches[0]->kernel = 2;
}
}
, {"Arguments", "2 buffers for the 3 arguments of kernel descend",
   BREAK{plan.programs[0]->stages[0]->launches[0]->buffers = {0, 0};
}
}
, {"LaunchOutside", "buffer 1 (1 bytes at offset 704) is outside",
   BREAK{plan.programs[0]->stages[0]->launches[0]->buffers = {0, 704, 0};
}
}
, {"LaunchUnaligned", "buffer 1 at offset 8 is not aligned",
   BREAK{plan.programs[0]->stages[0]->launches[0]->buffers = {0, 8, 0};
}
}
, {"Batch", "program EvalStep: its batch is 0", BREAK{plan.programs[1]->batch = 0;
}
}
, {"ProgramKind", "unknown program kind 8", BREAK{plan.programs[1]->kind = fb::ProgramKind(8);
}
}
, {"SamePrograms", "two programs are TrainStep",
   BREAK{plan.programs[1]->kind = fb::ProgramKind::TrainStep;
}
}
, {"NoRanks", "training.ranks is 0, not in [1,", BREAK{model.training->ranks = 0;
}
}
, {"StatesBesideShards", "parameter w has 1 optimizer states, the optimizer Sgd needs 0",
   BREAK{shard(model, plan);
plan.places[0]->state_offsets = {256};
}
}
, {"PartUnaligned", "shard 0 has parts of 32 bytes for each of 2 ranks", BREAK{shard(model, plan);
plan.shards[0]->part_bytes = 32;
}
}
, {"ShardOutside", "shard 0 (128 bytes at offset 640) is outside", BREAK{shard(model, plan);
plan.shards[0]->offset = 640;
}
}
, {"ShardsGradientsOutside", "the gradients of shard 0 (128 bytes", BREAK{shard(model, plan);
plan.shards[0]->gradient_offset = 640;
}
}
, {"ShardsStates", "shard 0 has 0 optimizer states, the optimizer needs 1",
   BREAK{shard(model, plan);
plan.shards[0]->state_offsets.clear();
}
}
, {"ShardsStateOutside", "state 0 of shard 0 (64 bytes", BREAK{shard(model, plan);
plan.shards[0]->state_offsets = {704};
}
}
, {"NotInAShard", "no shard holds parameter b and its gradient", BREAK{shard(model, plan);
plan.places[1]->offset = 128;
}
}
, {"GradientNotInItsShard", "no shard holds parameter w", BREAK{shard(model, plan);
plan.places[0]->gradient_offset = 192;
}
}
, {"Strides", "2 strides for 3 buffers",
   BREAK{plan.programs[0]->stages[0]->launches[0]->strides = {64, 64};
}
}
, {"StrideOutside", "buffer 1 (1280 bytes at offset 128) is outside",
   BREAK{model.training->ranks = 2;
plan.programs[0]->stages[0]->launches[0]->strides = {64, 640, 0};
}
}
, {"CollectiveKind", "unknown collective kind 9", BREAK{collect(plan, fb::CollectiveKind(9), 16);
}
}
, {"CollectiveParts", "ReduceScatter \"g\" of 64 bytes cannot be cut into 2 equal parts",
   BREAK{model.training->ranks = 2;
collect(plan, fb::CollectiveKind::ReduceScatter, 16);
}
}
, {"CollectiveOutside", "AllGather \"g\" (640 bytes at offset 128) is outside",
   BREAK{collect(plan, fb::CollectiveKind::AllGather, 160);
}
}
,
}
;
#undef BREAK

class ValidateTest : public testing::TestWithParam<BrokenModel> {};

TEST_P(ValidateTest, IsRefused) {
  fb::ModelT model = makeModel();
  fb::PhaseT &phase = *model.phases[0];
  fb::TargetPlanT &plan = *phase.targets[0];
  GetParam().breakIt(model, phase, plan);
  TemporaryFolder folder;
  writeBytes(folder.file("broken.dnb"), makeContainer(model, Bytes(10)));
  Expected<ModelFile> file = ModelFile::open(folder.file("broken.dnb"));
  ASSERT_FALSE(file);
  const std::string &message = file.error().message();
  EXPECT_EQ(file.error().code(), ExitCode::CheckpointInvalid);
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  EXPECT_NE(message.find("broken.dnb"), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(Models, ValidateTest, testing::ValuesIn(BrokenModels),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(StateCount, FollowsTheOptimizer) {
  fb::ModelT model = makeModel();
  auto count = [&] {
    Bytes table = pack(model);
    return stateCount(*fb::GetModel(table.data()));
  };
  EXPECT_EQ(count(), 1u);
  model.optimizer->momentum = 0;
  EXPECT_EQ(count(), 0u);
  model.optimizer->kind = fb::OptimizerKind::AdamW;
  EXPECT_EQ(count(), 2u);
  model.training->ema = 0.5;
  EXPECT_EQ(count(), 3u);
}

} // namespace
