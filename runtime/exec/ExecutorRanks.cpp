// An executor as one of several ranks: what they do together in a step, and what of the parameters
// each updates; see Executor.h.
#include "runtime/exec/Executor.h"

#include "runtime/trace/Recorder.h"

#include <algorithm>

namespace danaus {

static Collective kindOf(const fb::Collective &collective) {
  switch (collective.kind()) {
  case fb::CollectiveKind::ReduceScatter:
    return Collective::ReduceScatter;
  case fb::CollectiveKind::AllGather:
    return Collective::AllGather;
  default:
    return Collective::AllReduce;
  }
}

/// Begins those of a program's collectives that have not begun, up to number `until`.
Status Executor::beginCollectives(const LoadedProgram &program, size_t until,
                                  std::vector<uint64_t> &numbers) {
  while (numbers.size() < until) {
    const fb::Collective &next = *program.table->collectives()->Get(uint32_t(numbers.size()));
    auto begun = others->begin(kindOf(next), *arena, next.offset(), next.elements());
    if (!begun)
      return begun.takeError();
    numbers.push_back(*begun);
  }
  return Status::ok();
}

/// `last`: of those that are awaited; its number is `number`.
Status Executor::finish(const fb::Collective &last, uint64_t number) {
  trace::Scope scope(trace::Kind::Wait, trace::WaitForRanks[size_t(kindOf(last))]);
  uint64_t begin = timing == Timing::On ? trace::now() : 0;
  Status status = others->finish(number);
  if (timing == Timing::On)
    rankNanoseconds += trace::now() - begin;
  return status;
}

/// Null where updates are not sharded.
const fb::Shard *Executor::shardOf(size_t index) const {
  if (!isSharded())
    return nullptr;
  uint64_t offset = currentPlan->places()->Get(unsigned(index))->offset();
  auto holds = [&](const fb::Shard *shard) {
    return offset - shard->offset() < shard->part_bytes() * model().training()->ranks();
  };
  return *std::ranges::find_if(currentPlan->shards()->begin(), currentPlan->shards()->end(), holds);
}

Executor::Share Executor::shareOf(size_t index, unsigned rank) const {
  uint64_t elements = elementCount(parameterInfo(index));
  const fb::Shard *shard = shardOf(index);
  if (!shard)
    return {0, elements};
  uint64_t part = shard->part_bytes() / sizeof(float);
  uint64_t begin =
      (currentPlan->places()->Get(unsigned(index))->offset() - shard->offset()) / sizeof(float);
  uint64_t first = std::clamp(rank * part, begin, begin + elements);
  uint64_t last = std::clamp((rank + 1) * part, begin, begin + elements);
  return {first - begin, last - first};
}

std::span<float> Executor::state(size_t index, size_t slot) {
  assert(slot < states && "the optimizer keeps fewer states");
  const fb::ParameterPlace &place = *currentPlan->places()->Get(unsigned(index));
  const fb::Shard *shard = shardOf(index);
  if (!shard)
    return floats(place.state_offsets()->Get(unsigned(slot)), elementCount(parameterInfo(index)));
  Share share = shareOf(index, ranks().rank());
  if (share.count == 0)
    return {};
  uint64_t inRun = place.offset() - shard->offset() + share.first * sizeof(float);
  return floats(shard->state_offsets()->Get(unsigned(slot)) + inRun -
                    ranks().rank() * shard->part_bytes(),
                share.count);
}

std::span<float> Executor::average(size_t index) {
  return keepsAverages() ? state(index, states - 1) : std::span<float>();
}

std::span<float> Executor::ownParameter(size_t index) {
  Share share = shareOf(index, ranks().rank());
  return parameter(index).subspan(share.first, share.count);
}

Status Executor::gatherParameters() {
  if (!others || !isSharded())
    return Status::ok();
  if (Status status = sendViews(); !status)
    return status;
  uint64_t last = 0;
  for (const fb::Shard *shard : *currentPlan->shards()) {
    auto begun = others->begin(Collective::AllGather, *arena, shard->offset(),
                               shard->part_bytes() / sizeof(float) * others->size());
    if (!begun)
      return begun.takeError();
    last = *begun;
  }
  if (Status status = others->finish(last); !status)
    return status;
  if (Status status = owner->synchronize(); !status)
    return status;
  return others->check();
}

} // namespace danaus
