// Binding a program to addresses and replaying it.
#include "runtime/device/cpu/CpuExecutable.h"

#include "runtime/device/Checks.h"
#include "runtime/device/cpu/CpuCode.h"
#include "runtime/trace/Recorder.h"

#include <algorithm>
#include <functional>

namespace danaus {

Status ScratchPool::reserve(uint64_t bytes) {
  if (bytes <= size)
    return Status::ok();
  Error noMemory(ExitCode::DeviceUnavailable,
                 format("no memory for the scratch of %zu threads, %s each; try fewer with "
                        "--threads",
                        blocks.size(), formatBytes(bytes).c_str()));
  if (bytes > memoryBytes / blocks.size())
    return noMemory;
  uint64_t wanted = (bytes + ArenaAlignment - 1) / ArenaAlignment * ArenaAlignment;
  size = 0;
  for (auto &block : blocks) {
    block.reset(std::aligned_alloc(ArenaAlignment, wanted));
    if (!block)
      return noMemory;
  }
  size = wanted;
  return Status::ok();
}

Expected<std::unique_ptr<Executable>> CpuExecutable::load(std::byte *arena, const CpuCode &code,
                                                          const ProgramSpec &program,
                                                          const ScratchPool &scratch,
                                                          unsigned threads) {
  std::vector<KernelFunction> functions;
  for (const KernelSpec &kernel : program.kernels) {
    Expected<KernelFunction> function = code.find(kernel.symbol);
    if (!function)
      return function.takeError();
    functions.push_back(*function);
  }
  std::unique_ptr<CpuExecutable> executable(new CpuExecutable(scratch, threads));
  for (const std::vector<LaunchSpec> &stage : program.stages)
    if (Status status = executable->bindStage(arena, functions, program, stage); !status)
      return status.takeError();
  return std::unique_ptr<Executable>(std::move(executable));
}

Status CpuExecutable::bindStage(std::byte *arena, const std::vector<KernelFunction> &functions,
                                const ProgramSpec &program, const std::vector<LaunchSpec> &stage) {
  BoundStage bound{uint32_t(launches.size()), 0};
  for (const LaunchSpec &launch : stage) {
    uint64_t end = 0;
    // Room for one overrun of the tile counter per thread.
    if (__builtin_add_overflow(bound.tiles, program.kernels[launch.kernel].tiles, &end) ||
        end > UINT64_MAX / 2)
      return Error(ExitCode::CheckpointInvalid, "a stage has more tiles than 63 bits can count");
    launches.push_back({functions[launch.kernel], uint32_t(addresses.size()), bound.tiles, end,
                        trace::intern(launch.label)});
    for (uint64_t offset : launch.buffers)
      addresses.push_back(arena + offset);
    bound.tiles = end;
  }
  if (bound.tiles > 0)
    stages.push_back(bound);
  return Status::ok();
}

void CpuExecutable::setTiming(Timing wanted, ThreadCounters *counted) {
  timing = wanted;
  counters = wanted == Timing::On ? counted : nullptr;
  if (timing == Timing::On)
    for (ThreadSums &own : sums)
      own.launches.assign(launches.size(), {});
}

std::vector<LaunchSums> CpuExecutable::launchSums() const {
  std::vector<LaunchSums> total(sums[0].launches.size());
  for (const ThreadSums &own : sums)
    for (size_t i = 0; i < total.size(); ++i) {
      total[i].nanoseconds += own.launches[i].nanoseconds;
      std::ranges::transform(total[i].counts, own.launches[i].counts, total[i].counts.begin(),
                             std::plus<>());
    }
  return total;
}

namespace {
/// Tiles that a thread takes at once of the `left` of a launch. Neighbours share operands, which
/// then stay in one core's cache; the shares shrink, so that all threads end together.
uint64_t shareOf(uint64_t left, size_t threads) {
  return std::max<uint64_t>(1, left / (4 * threads));
}
} // namespace

template <bool isWatched> void CpuExecutable::work(ThreadTeam &team, unsigned thread) {
  LaunchWatch watch(thread, timing == Timing::On ? &sums[thread] : nullptr, counters);
  void *own = scratch->ofThread(thread);
  for (const BoundStage &stage : stages) {
    const BoundLaunch *launch = launches.data() + stage.firstLaunch;
    uint64_t tile = nextTile.load(std::memory_order_relaxed);
    while (tile < stage.tiles) {
      while (tile >= launch->endTile)
        ++launch;
      uint64_t end = tile + shareOf(launch->endTile - tile, team.size());
      if (!nextTile.compare_exchange_weak(tile, end, std::memory_order_relaxed))
        continue;
      if constexpr (isWatched)
        watch.change(size_t(launch - launches.data()), launch->name);
      for (; tile < end; ++tile)
        launch->function(addresses.data() + launch->firstBuffer, int64_t(tile - launch->firstTile),
                         own);
      tile = nextTile.load(std::memory_order_relaxed);
    }
    if constexpr (isWatched)
      watch.change(LaunchWatch::NoLaunch, 0);
    // After the last stage the end of the job is the barrier.
    if (&stage != &stages.back())
      team.barrier([&] { nextTile.store(0, std::memory_order_relaxed); });
  }
}

void CpuExecutable::replay(ThreadTeam &team) {
  nextTile.store(0, std::memory_order_relaxed);
  if (trace::isWatched() || timing == Timing::On)
    team.run([&](unsigned thread) {
      if (thread > 0 && trace::isWatched())
        trace::nameThread("compute " + std::to_string(thread));
      work<true>(team, thread);
    });
  else
    team.run([&](unsigned thread) { work<false>(team, thread); });
  ++replays;
}

} // namespace danaus
