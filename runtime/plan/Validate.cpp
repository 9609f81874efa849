// Checks of a model table that concern the model as a whole: its numbers, its parameters. The
// checks of a plan (one phase on one target) are in ValidatePlan.cpp.
#include "runtime/plan/Validate.h"

#include "runtime/plan/ValidatePlan.h"

#include <cmath>
#include <set>
#include <string_view>

namespace danaus {

namespace {

uint64_t elementBytes(fb::DType type) {
  switch (type) {
  case fb::DType::F64:
  case fb::DType::I64:
    return 8;
  case fb::DType::F32:
  case fb::DType::I32:
    return 4;
  case fb::DType::F16:
  case fb::DType::BF16:
    return 2;
  case fb::DType::U8:
    return 1;
  }
  return 0;
}

struct Number {
  const char *name;
  double value;
};

Status checkFinite(std::initializer_list<Number> numbers) {
  for (const Number &number : numbers)
    if (!std::isfinite(number.value))
      return invalidModel(std::string(number.name) + " is not a finite number");
  return Status::ok();
}

Status checkNormalization(const fb::Data &data) {
  const auto *mean = data.normalize_mean();
  const auto *deviation = data.normalize_std();
  if ((mean ? mean->size() : 0) != (deviation ? deviation->size() : 0))
    return invalidModel("data.normalize has means and deviations for different channels");
  for (uint32_t i = 0; mean && i < mean->size(); ++i)
    if (!std::isfinite(mean->Get(i)) || !(deviation->Get(i) > 0) ||
        !std::isfinite(deviation->Get(i)))
      return invalidModel(format("data.normalize, channel %u: not a finite mean with a positive, "
                                 "finite deviation",
                                 i));
  return Status::ok();
}

Status checkImages(const fb::Data &data) {
  constexpr uint32_t mostPixels = 16'384, mostChannels = 64;
  if (data.resize() > mostPixels || data.pad() > mostPixels || data.crop_padding() > mostPixels ||
      data.channels() > mostChannels)
    return invalidModel("data: resize, pad, crop_padding or channels is beyond all images");
  for (Number each : {Number{"flip_probability", data.flip_probability()},
                      {"erase_probability", data.erase_probability()}})
    if (!(each.value >= 0 && each.value <= 1))
      return invalidModel(format("data.%s is not in [0, 1]", each.name));
  for (Number each :
       {Number{"mixup_alpha", data.mixup_alpha()}, {"cutmix_alpha", data.cutmix_alpha()}})
    if (!(each.value >= 0 && each.value <= 1e6))
      return invalidModel(format("data.%s is not in [0, 1000000]", each.name));
  const fb::ResizedCrop *crop = data.resized_crop();
  if (!crop)
    return Status::ok();
  if (!data.resize())
    return invalidModel("data.resized_crop without data.resize");
  if (!(crop->min_scale() > 0 && crop->min_scale() <= crop->max_scale() && crop->max_scale() <= 1))
    return invalidModel("data.resized_crop: not 0 < min_scale <= max_scale <= 1");
  if (!(crop->min_ratio() > 0 && crop->min_ratio() <= crop->max_ratio() &&
        std::isfinite(crop->max_ratio())))
    return invalidModel("data.resized_crop: not 0 < min_ratio <= max_ratio");
  return Status::ok();
}

Status checkNumbers(const fb::Model &model) {
  const fb::Optimizer &optimizer = *model.optimizer();
  const fb::Schedule &schedule = *model.schedule();
  const fb::Training &training = *model.training();
  if (Status status = checkFinite({{"optimizer.momentum", optimizer.momentum()},
                                   {"optimizer.beta1", optimizer.beta1()},
                                   {"optimizer.beta2", optimizer.beta2()},
                                   {"optimizer.epsilon", optimizer.epsilon()},
                                   {"optimizer.weight_decay", optimizer.weight_decay()},
                                   {"schedule.lr", schedule.lr()},
                                   {"schedule.gamma", schedule.gamma()},
                                   {"schedule.warmup_epochs", schedule.warmup_epochs()},
                                   {"schedule.min_lr", schedule.min_lr()},
                                   {"training.clip_grad_norm", training.clip_grad_norm()},
                                   {"training.label_smoothing", training.label_smoothing()},
                                   {"training.ema", training.ema()}});
      !status)
    return status;
  if (optimizer.kind() > fb::OptimizerKind::MAX)
    return invalidModel(format("unknown optimizer kind %d", int(optimizer.kind())));
  if (schedule.kind() > fb::ScheduleKind::MAX)
    return invalidModel(format("unknown schedule kind %d", int(schedule.kind())));
  if (schedule.kind() == fb::ScheduleKind::Step && schedule.step_size() == 0)
    return invalidModel("schedule.step_size is 0");
  if (training.batch_size() == 0)
    return invalidModel("training.batch_size is 0");
  if (training.accumulate() == 0 || training.batch_size() % training.accumulate() != 0)
    return invalidModel(format("training.accumulate = %zu does not divide batch_size = %zu",
                               size_t(training.accumulate()), size_t(training.batch_size())));
  constexpr uint64_t mostRanks = 1 << 20;
  if (training.ranks() == 0 || training.ranks() > mostRanks)
    return invalidModel(format("training.ranks is %zu, not in [1, %zu]", size_t(training.ranks()),
                               size_t(mostRanks)));
  if (training.ema() < 0 || training.ema() >= 1)
    return invalidModel(format("training.ema is %g, not in [0, 1)", training.ema()));
  if (model.classes() == 0)
    return invalidModel("classes is 0");
  if (Status status = checkNormalization(*model.data()); !status)
    return status;
  return checkImages(*model.data());
}

Status checkParameter(const fb::Parameter &parameter) {
  std::string where = "parameter " + parameter.name()->str() + ": ";
  if (parameter.name()->size() == 0)
    return invalidModel("a parameter without a name");
  if (!byteSize(*parameter.shape(), fb::DType::F32))
    return invalidModel(where + "its shape has a 0 or more bytes than 64 bits can count");
  if (parameter.init()->kind() > fb::InitKind::MAX)
    return invalidModel(where + format("unknown init kind %d", int(parameter.init()->kind())));
  double scale = parameter.init()->scale();
  if (!std::isfinite(scale) || scale < 0)
    return invalidModel(where + "init.scale is not a finite number >= 0");
  return Status::ok();
}

/// Each rule is of a layer that there is, and each layer has at most one.
Status checkRankRules(const fb::Phase &phase) {
  if (!phase.rank_rules())
    return Status::ok();
  std::set<std::string_view> layers;
  for (const fb::Layer *layer : *phase.layers())
    layers.insert(layer->name()->string_view());
  for (const fb::RankRule *rule : *phase.rank_rules()) {
    if (!layers.erase(rule->layer()->string_view()))
      return invalidModel("a rank rule is of no layer: " + rule->layer()->str());
    if (!(rule->energy() >= 0 && rule->energy() <= 1))
      return invalidModel("the rank rule of " + rule->layer()->str() +
                          " has an energy that is not in [0, 1]");
  }
  return Status::ok();
}

Status checkPhase(const fb::Model &model, const fb::Phase &phase, const HasSection &hasSection) {
  std::set<std::string_view> names;
  for (const fb::Parameter *parameter : *phase.parameters()) {
    if (Status status = checkParameter(*parameter); !status)
      return status;
    if (!names.insert(parameter->name()->string_view()).second)
      return invalidModel("two parameters are called " + parameter->name()->str());
  }
  if (!std::isfinite(phase.lr_scale()) || phase.lr_scale() <= 0)
    return invalidModel("lr_scale is not a finite number > 0");
  if (!(phase.max_error() >= 0 && phase.max_error() <= 1))
    return invalidModel("max_error is not a number from 0 to 1");
  if (auto rise = phase.max_loss_rise(); rise && !(*rise >= 0))
    return invalidModel("max_loss_rise is not a number of at least 0");
  if (Status status = checkRankRules(phase); !status)
    return status;
  if (phase.targets()->size() == 0)
    return invalidModel("no target was compiled");
  for (const fb::TargetPlan *plan : *phase.targets())
    if (Status status = validatePlan(model, phase, *plan, hasSection); !status)
      return invalidModel("target " + plan->target()->str() + ":" + plan->isa()->str() + ": " +
                          status.error().message());
  return Status::ok();
}

} // namespace

Error invalidModel(const std::string &what) { return Error(ExitCode::CheckpointInvalid, what); }

std::optional<uint64_t> byteSize(const flatbuffers::Vector<uint64_t> &shape, fb::DType type) {
  uint64_t bytes = elementBytes(type);
  for (uint64_t extent : shape)
    if (extent == 0 || __builtin_mul_overflow(bytes, extent, &bytes))
      return std::nullopt;
  return bytes;
}

uint32_t stateCount(const fb::Model &model) {
  const fb::Optimizer &optimizer = *model.optimizer();
  uint32_t average = model.training()->ema() > 0 ? 1 : 0;
  if (optimizer.kind() != fb::OptimizerKind::Sgd)
    return 2 + average;
  return (optimizer.momentum() != 0 ? 1 : 0) + average;
}

Status validateModel(const fb::Model &model, const HasSection &hasSection) {
  if (!byteSize(*model.input_shape(), fb::DType::F32))
    return invalidModel("input_shape has a 0 or more bytes than 64 bits can count");
  if (Status status = checkNumbers(model); !status)
    return status;
  if (model.phases()->size() == 0)
    return invalidModel("the model has no phase");
  for (uint32_t i = 0; i < model.phases()->size(); ++i)
    if (Status status = checkPhase(model, *model.phases()->Get(i), hasSection); !status)
      return invalidModel(format("phase %u: ", i) + status.error().message());
  uint64_t epochs = 0;
  for (const fb::Phase *phase : *model.phases())
    epochs += phase->epochs();
  if (epochs != model.training()->epochs())
    return invalidModel(format("the phases have %llu epochs together, the run %llu",
                               (unsigned long long)epochs,
                               (unsigned long long)model.training()->epochs()));
  return Status::ok();
}

} // namespace danaus
