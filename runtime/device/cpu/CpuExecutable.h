// A program bound to addresses, and how a team of threads replays it, stage by stage
// (TileShares.h).
#pragma once

#include "runtime/device/Device.h"
#include "runtime/device/cpu/LaunchWatch.h"
#include "runtime/device/cpu/ThreadTeam.h"
#include "runtime/device/cpu/TileShares.h"
#include "runtime/plan/KernelAbi.h"

#include <cstdlib>

namespace danaus {

class CpuCode;

/// 64-byte aligned memory for each thread of a team; grows to the largest kernel's need and is
/// shared by all programs of a device, since one runs at a time.
class ScratchPool {
public:
  ScratchPool(unsigned threads, uint64_t memoryBytes) : blocks(threads), memoryBytes(memoryBytes) {}

  /// At least `bytes` for each thread. DeviceUnavailable when memory is short, or has less than
  /// that. Not while a program runs.
  Status reserve(uint64_t bytes);
  void *ofThread(unsigned thread) const { return blocks[thread].get(); }

private:
  struct Free {
    void operator()(void *block) const { std::free(block); }
  };
  std::vector<std::unique_ptr<void, Free>> blocks;
  uint64_t memoryBytes;
  uint64_t size = 0;
};

class CpuExecutable final : public Executable {
public:
  /// `program` has passed checkProgram.
  static Expected<std::unique_ptr<Executable>> load(std::byte *arena, const CpuCode &code,
                                                    const ProgramSpec &program,
                                                    const ScratchPool &scratch, unsigned threads);

  void setTiming(Timing timing, ThreadCounters *counters) override;
  std::vector<LaunchSums> launchSums() const override;
  uint64_t launchCount() const override { return replays * launches.size(); }

  /// Runs every stage once; returns when all is done.
  void replay(ThreadTeam &team);

private:
  struct BoundLaunch {
    KernelFunction function;
    uint32_t firstBuffer; ///< index into `addresses`
    uint32_t name;        ///< in traces
  };

  CpuExecutable(const ScratchPool &scratch, unsigned threads);
  Status bindStage(std::byte *arena, const std::vector<KernelFunction> &functions,
                   const ProgramSpec &program, const std::vector<LaunchSpec> &stage);
  template <bool isWatched> void work(ThreadTeam &team, unsigned thread);
  TileCursor *cursorsOf(unsigned turn) { return cursors.data() + turn * sums.size(); }

  const ScratchPool *scratch;
  std::vector<void *> addresses;
  std::vector<BoundLaunch> launches;
  std::vector<TileShares> stages;
  uint64_t replays = 0;
  Timing timing = Timing::Off;
  ThreadCounters *counters = nullptr; ///< while timed
  std::vector<ThreadSums> sums;       ///< of each thread; empty ones before setTiming(On)

  /// [turn][thread]: stages take turns, and a thread begins its share of the next one while others
  /// still look at its share of this one. All of the turn that is next are 0 between replays.
  std::vector<TileCursor> cursors;
  unsigned turn = 0;
};

} // namespace danaus
