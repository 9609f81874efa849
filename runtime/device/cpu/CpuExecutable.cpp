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

CpuExecutable::CpuExecutable(const ScratchPool &scratch, unsigned threads)
    : scratch(&scratch), sums(threads), cursors(2 * threads) {}

Status CpuExecutable::bindStage(std::byte *arena, const std::vector<KernelFunction> &functions,
                                const ProgramSpec &program, const std::vector<LaunchSpec> &stage) {
  TileShares shares(unsigned(sums.size()));
  uint64_t total = 0;
  for (const LaunchSpec &launch : stage) {
    uint64_t tiles = program.kernels[launch.kernel].tiles;
    if (__builtin_add_overflow(total, tiles, &total) || total > UINT64_MAX / 2)
      return Error(ExitCode::CheckpointInvalid, "a stage has more tiles than 63 bits can count");
    shares.addLaunch(uint32_t(launches.size()), tiles);
    launches.push_back(
        {functions[launch.kernel], uint32_t(addresses.size()), trace::intern(launch.label)});
    for (uint64_t offset : launch.buffers)
      addresses.push_back(arena + offset);
  }
  if (total > 0)
    stages.push_back(std::move(shares));
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

template <bool isWatched> void CpuExecutable::work(ThreadTeam &team, unsigned thread) {
  LaunchWatch watch(thread, timing == Timing::On ? &sums[thread] : nullptr, counters);
  void *own = scratch->ofThread(thread);
  unsigned turn = this->turn;
  for (const TileShares &stage : stages) {
    cursorsOf(turn ^ 1)[thread].taken.store(0, std::memory_order_relaxed);
    for (unsigned i = 0; i < team.size(); ++i) {
      unsigned owner = (thread + i) % team.size();
      TileCursor &cursor = cursorsOf(turn)[owner];
      TileRange range;
      for (size_t hint = 0; i == 0 ? stage.take(owner, cursor, hint, range)
                                   : stage.help(owner, cursor, hint, range);) {
        const BoundLaunch &launch = launches[range.launch];
        if constexpr (isWatched)
          watch.change(range.launch, launch.name);
        for (uint64_t tile = range.begin; tile < range.end; ++tile)
          launch.function(addresses.data() + launch.firstBuffer, int64_t(tile), own);
      }
    }
    if constexpr (isWatched)
      watch.change(LaunchWatch::NoLaunch, 0);
    // After the last stage the end of the job is the barrier.
    if (&stage != &stages.back())
      team.barrier([] {});
    turn ^= 1;
  }
}

void CpuExecutable::replay(ThreadTeam &team) {
  if (trace::isWatched() || timing == Timing::On)
    team.run([&](unsigned thread) {
      if (thread > 0 && trace::isWatched())
        trace::nameThread("compute " + std::to_string(thread));
      work<true>(team, thread);
    });
  else
    team.run([&](unsigned thread) { work<false>(team, thread); });
  turn ^= stages.size() % 2;
  ++replays;
}

} // namespace danaus
