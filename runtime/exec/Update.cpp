// See Update.h.
#include "runtime/exec/Update.h"

#include "runtime/plan/Control.h"

#include <algorithm>
#include <bit>

namespace danaus {

uint64_t microBatches(const fb::Model &model) {
  return std::max<uint64_t>(model.training()->accumulate(), 1);
}

std::vector<UpdatePart> updateParts(const fb::Model &model) {
  uint64_t count = microBatches(model);
  if (count == 1)
    return {{fb::ProgramKind::TrainStep, 1}};
  return {{fb::ProgramKind::GradientStep, count}, {fb::ProgramKind::UpdateStep, 1}};
}

uint64_t microBatchRows(const Executor &executor) {
  std::vector<UpdatePart> parts = updateParts(executor.model());
  for (const UpdatePart &part : parts)
    if (executor.batch(part.kind) == 0)
      return 0;
  return executor.batch(parts.front().kind);
}

uint64_t updateLaunches(const Executor &executor) {
  uint64_t launches = 0;
  for (const UpdatePart &part : updateParts(executor.model()))
    launches += part.times * executor.launches(part.kind).size();
  return launches;
}

Status runUpdate(Executor &executor, uint64_t count, const std::function<Status(uint64_t)> &fill,
                 const std::function<Status()> &meanwhile, std::optional<MicroBatchShare> share) {
  std::vector<UpdatePart> parts = updateParts(executor.model());
  MicroBatchShare samples = share.value_or(MicroBatchShare{executor.batch(parts.front().kind), 0});
  for (uint64_t i = 0; i < count; ++i) {
    executor.control()[control::FirstMicroBatch] = i == 0 ? 1.0f : 0.0f;
    executor.control()[control::FirstSample] =
        std::bit_cast<float>(uint32_t(i * samples.rows + samples.first));
    if (Status status = fill(i); !status)
      return status;
    if (Status status =
            executor.run(parts.front().kind, meanwhile,
                         i + 1 < count ? Executor::Sums::Own : Executor::Sums::OverRanks);
        !status)
      return status;
  }
  return parts.size() == 1 ? Status::ok() : executor.run(parts.back().kind);
}

} // namespace danaus
