// Running a grid: blocks one after another, the warps of a block in turns from barrier to barrier,
// the diverged groups of a warp by lowest program counter.
#include "runtime/vgpu/Warp.h"

#include <algorithm>
#include <random>

namespace danaus::vgpu {

void BlockRun::report(FindingKind kind, const Warp &warp, const Instruction &instruction, int lane,
                      const std::string &what) {
  static const char *const names[] = {"out of bounds",
                                      "misaligned",
                                      "uninitialised",
                                      "race in shared memory",
                                      "race in global memory",
                                      "barrier that not all reach",
                                      "deadlock",
                                      "asynchronous copy not waited for",
                                      "trap",
                                      "bad instruction",
                                      "step limit"};
  // One finding per instruction and kind says enough.
  for (const Finding &known : memory->findings)
    if (known.kind == kind && known.kernel == kernel->info.name &&
        known.ptxLine == instruction.ptxLine)
      return;
  std::string text = format("%s: kernel %s, line %u (PTX line %u), block (%u, %u, %u), thread %u: ",
                            names[size_t(kind)], kernel->info.name.c_str(), instruction.sourceLine,
                            instruction.ptxLine, blockIndex[0], blockIndex[1], blockIndex[2],
                            warp.number * Lanes + unsigned(std::max(lane, 0))) +
                     what;
  memory->findings.push_back(
      {kind, kernel->info.name, instruction.sourceLine, instruction.ptxLine, text});
}

namespace {

class Runner {
public:
  Runner(const Kernel &kernel, const LaunchConfig &config, Memory::State &memory,
         LaunchCounters &totals)
      : kernel(kernel), config(config), counters(kernel.code.size()), random(config.seed) {
    block.memory = &memory;
    block.kernel = &kernel;
    block.parameters = config.parameters;
    block.counters = &counters;
    block.totals = &totals;
    block.shapes.resize(kernel.code.size());
    uint32_t threads = config.block[0] * config.block[1] * config.block[2];
    warps.resize((threads + Lanes - 1) / Lanes);
    for (size_t i = 0; i < warps.size(); ++i)
      prepare(warps[i], unsigned(i), threads);
  }

  void run() {
    uint64_t blocks = uint64_t(config.grid[0]) * config.grid[1] * config.grid[2];
    std::vector<uint32_t> order(blocks);
    for (uint64_t i = 0; i < blocks; ++i)
      order[i] = uint32_t(i);
    if (config.seed != 0)
      std::ranges::shuffle(order, random);
    for (uint32_t index : order) {
      runBlock(index);
      if (block.stopped)
        return;
    }
  }

  const std::vector<InstructionCounters> &instructionCounters() const { return counters; }

private:
  /// What does not change from block to block: immediates, thread numbers.
  void prepare(Warp &warp, unsigned number, uint32_t threads) {
    warp.number = number;
    warp.block = &block;
    warp.file.assign(kernel.registerWords + 16, 0xCDCDCDCD);
    for (auto [word, value] : kernel.constants32)
      std::fill_n(warp.lanes<uint32_t>(word), Lanes, uint32_t(value));
    for (auto [word, value] : kernel.constants64)
      std::fill_n(warp.lanes<uint64_t>(word), Lanes, value);
    auto special = [&](Special which) {
      return warp.lanes<uint32_t>(kernel.special[size_t(which)]);
    };
    for (unsigned lane = 0; lane < Lanes; ++lane) {
      uint32_t thread = number * Lanes + lane;
      special(Special::TidX)[lane] = thread % config.block[0];
      special(Special::TidY)[lane] = thread / config.block[0] % config.block[1];
      special(Special::TidZ)[lane] = thread / config.block[0] / config.block[1];
      special(Special::Laneid)[lane] = lane;
      special(Special::Warpid)[lane] = number;
      for (unsigned d = 0; d < 3; ++d) {
        special(Special(unsigned(Special::NtidX) + d))[lane] = config.block[d];
        special(Special(unsigned(Special::NctaidX) + d))[lane] = config.grid[d];
      }
    }
    uint32_t left = threads - number * Lanes;
    full.push_back(left >= Lanes ? AllLanes : (1u << left) - 1);
  }

  void runBlock(uint32_t index) {
    block.index = index;
    block.blockIndex[0] = index % config.grid[0];
    block.blockIndex[1] = index / config.grid[0] % config.grid[1];
    block.blockIndex[2] = index / config.grid[0] / config.grid[1];
    block.shared.reset(kernel.staticSharedBytes + config.dynamicSharedBytes);
    steps = 0;
    for (size_t i = 0; i < warps.size(); ++i) {
      Warp &warp = warps[i];
      warp.alive = full[i];
      warp.current = {0, full[i]};
      warp.others.clear();
      warp.open.clear();
      warp.copies.clear();
      warp.local.resize(size_t(kernel.localBytes) * Lanes);
      warp.localWritten.assign(warp.local.size(), 0);
      warp.state = WarpState::Ready;
      for (unsigned d = 0; d < 3; ++d)
        std::fill_n(warp.lanes<uint32_t>(kernel.special[size_t(Special::CtaidX) + d]), Lanes,
                    block.blockIndex[d]);
    }
    std::vector<size_t> turn(warps.size());
    for (size_t i = 0; i < turn.size(); ++i)
      turn[i] = i;
    for (;;) {
      if (config.seed != 0)
        std::ranges::shuffle(turn, random);
      for (size_t i : turn)
        if (warps[i].state == WarpState::Ready) {
          runWarp(warps[i]);
          if (block.stopped)
            return;
        }
      if (!passBarrier())
        return;
    }
  }

  /// All warps that live are at the barrier: they go on. False where none lives, or where they are
  /// at different ones, which is a deadlock.
  bool passBarrier() {
    const Warp *first = nullptr;
    for (const Warp &warp : warps) {
      if (warp.state != WarpState::AtBarrier)
        continue;
      if (first && warp.barrierNumber != first->barrierNumber) {
        block.fail(FindingKind::Deadlock, warp, *warp.barrier, 0,
                   format("waits at barrier %u, and warp %u waits at barrier %u: neither goes on",
                          warp.barrierNumber, first->number, first->barrierNumber));
        return false;
      }
      first = first ? first : &warp;
    }
    if (!first)
      return false;
    block.shared.nextEpoch();
    ++block.totals->barriers;
    for (Warp &warp : warps)
      if (warp.state == WarpState::AtBarrier)
        warp.state = WarpState::Ready;
    return true;
  }

  /// To the next barrier or its end.
  void runWarp(Warp &warp) {
    const Instruction *code = kernel.code.data();
    while (warp.state == WarpState::Ready) {
      if (!warp.others.empty() || warp.current.mask == 0)
        if (!chooseGroup(warp))
          return;
      const Instruction &in = code[warp.current.pc];
      uint32_t mask = warp.current.mask;
      if (in.guard != NoRegister) {
        uint32_t bits = warp.predicate(in.guard);
        mask &= in.guardNegated ? ~bits : bits;
      }
      InstructionCounters &own = counters[warp.current.pc];
      ++own.warpInstructions;
      own.threadInstructions += unsigned(std::popcount(mask));
      if (mask != 0) {
        if (config.oneByOne && in.isOfLanes)
          runLanes(warp, in, mask);
        else {
          warp.mask = mask;
          in.run(warp, in);
        }
        if (block.stopped)
          return;
        if (std::exchange(warp.moved, false))
          continue;
      }
      ++warp.current.pc;
      if (config.stepLimit != 0 && ++steps > config.stepLimit)
        return block.fail(FindingKind::StepLimit, warp, in, 0,
                          format("the block has run %llu instructions of warps",
                                 (unsigned long long)config.stepLimit));
    }
  }

  void runLanes(Warp &warp, const Instruction &in, uint32_t mask) {
    for (uint32_t left = mask; left && !block.stopped; left &= left - 1) {
      warp.mask = left & -left;
      in.run(warp, in);
    }
  }

  /// The group with the lowest program counter goes first; groups that meet become one. False at
  /// the warp's end.
  bool chooseGroup(Warp &warp) {
    if (warp.current.mask != 0)
      warp.others.push_back(warp.current);
    if (warp.others.empty()) {
      warp.state = WarpState::Done;
      return false;
    }
    auto first = std::ranges::min_element(warp.others, {}, &Group::pc);
    warp.current = {first->pc, 0};
    for (size_t i = warp.others.size(); i-- > 0;)
      if (warp.others[i].pc == warp.current.pc) {
        warp.current.mask |= warp.others[i].mask;
        warp.others.erase(warp.others.begin() + long(i));
      }
    return true;
  }

  const Kernel &kernel;
  const LaunchConfig &config;
  std::vector<InstructionCounters> counters;
  BlockRun block;
  std::vector<Warp> warps;
  std::vector<uint32_t> full; ///< lanes of each warp
  std::mt19937_64 random;
  uint64_t steps = 0;
};

Status checkConfig(const Kernel &kernel, const LaunchConfig &config) {
  auto bad = [&](const std::string &what) {
    return Error(ExitCode::Usage, "launching " + kernel.info.name + ": " + what);
  };
  uint64_t threads = uint64_t(config.block[0]) * config.block[1] * config.block[2];
  if (threads == 0 || threads > 1024)
    return bad(format("%llu threads in a block", (unsigned long long)threads));
  if (kernel.info.maxThreads != 0 && threads > kernel.info.maxThreads)
    return bad(format("%llu threads in a block, and it was compiled for %u",
                      (unsigned long long)threads, kernel.info.maxThreads));
  if (config.grid[0] == 0 || config.grid[1] == 0 || config.grid[2] == 0)
    return bad("the grid is empty");
  if (config.parameters.size() < kernel.info.parameterBlockBytes)
    return bad(format("%zu bytes of parameters instead of %u", config.parameters.size(),
                      kernel.info.parameterBlockBytes));
  return Status::ok();
}

/// Adds the fields of a struct of counters.
template <typename T>
void addFields(T &to, const T &from, std::initializer_list<uint64_t T::*> fields) {
  for (uint64_t T::*field : fields)
    to.*field += from.*field;
}

/// Adds what the handlers have counted for the launch, and the counters of its instructions.
void addCounters(const Kernel &kernel, const LaunchCounters &launch,
                 const std::vector<InstructionCounters> &from, LaunchCounters &to) {
  using C = LaunchCounters;
  addFields(to, launch, {&C::tensorFlops, &C::floatFlops, &C::divergentBranches, &C::barriers});
  to.uniqueReadBytes += 32 * launch.uniqueReadBytes; // sectors were counted
  to.uniqueWrittenBytes += 32 * launch.uniqueWrittenBytes;
  for (size_t i = 0; i < from.size(); ++i) {
    InstructionCounters own = from[i];
    if (own.warpInstructions == 0)
      continue;
    own.ptxLine = kernel.code[i].ptxLine;
    own.sourceLine = kernel.code[i].sourceLine;
    to.warpInstructions += own.warpInstructions;
    to.threadInstructions += own.threadInstructions;
    to.globalRequests += own.requests;
    to.globalSectors += own.sectors;
    to.idealGlobalSectors += own.idealSectors;
    to.sharedWaves += own.sharedWaves;
    to.idealSharedWaves += own.idealSharedWaves;
    auto known = std::ranges::find(to.instructions, own.ptxLine, &InstructionCounters::ptxLine);
    if (known == to.instructions.end())
      to.instructions.push_back(own);
    else
      add(*known, own);
  }
}

} // namespace

void add(InstructionCounters &to, const InstructionCounters &from) {
  using C = InstructionCounters;
  addFields(to, from,
            {&C::warpInstructions, &C::threadInstructions, &C::requests, &C::sectors,
             &C::idealSectors, &C::sharedWaves, &C::idealSharedWaves, &C::divergentBranches});
}

Status launch(const Module &module, const std::string &name, const LaunchConfig &config,
              Memory &memory, const Order &order, LaunchCounters *counters) {
  const auto &code = static_cast<const LoadedModule &>(module).code;
  auto kernel = code.find(name);
  if (kernel == code.end())
    return Error(ExitCode::Usage, "the module has no kernel '" + name + "'");
  if (Status status = checkConfig(kernel->second, config); !status)
    return status;
  Memory::State &state = memory.state();
  size_t before = state.findings.size();
  state.begin(order);
  LaunchCounters own;
  Runner runner(kernel->second, config, state, own);
  runner.run();
  if (counters)
    addCounters(kernel->second, own, runner.instructionCounters(), *counters);
  auto stops = [](const Finding &finding) {
    return finding.kind != FindingKind::SharedRace && finding.kind != FindingKind::GlobalRace &&
           finding.kind != FindingKind::Uninitialised &&
           finding.kind != FindingKind::PendingAsyncCopy;
  };
  for (size_t i = before; i < state.findings.size(); ++i)
    if (stops(state.findings[i]))
      return Error(ExitCode::DeviceUnavailable, state.findings[i].text);
  return Status::ok();
}

} // namespace danaus::vgpu
