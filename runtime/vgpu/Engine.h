// The virtual GPU's engine as its driver sees it: device memory with red zones and shadows, PTX
// modules, and launches that run, are checked and are counted. Knows nothing of contexts, streams
// or graphs, which are the driver's (runtime/vgpu/driver): the driver runs everything in the order
// of submission, and tells by an Order what that order is worth. Depends on runtime/base only.
#pragma once

#include "runtime/base/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace danaus::vgpu {

/// When an operation (a launch, a copy, a fill) happens, as vector clocks tell it: operation number
/// `sequence` (from 1) of lane `lane`, after operations 1 .. after[i] of every lane i (missing
/// entries: 0). A lane is a stream, or one of the parallel branches of a graph. Two operations
/// neither of which is after the other race where they touch the same bytes and one writes.
struct Order {
  uint32_t lane = 0;
  uint64_t sequence = 0;
  std::vector<uint64_t> after;
  std::string name; ///< for messages: "copy to device", "kernel contract_3 on stream 1"
};

enum class FindingKind {
  OutOfBounds, ///< address in no allocation, or in a red zone
  Misaligned,
  Uninitialised, ///< a value nobody wrote reaches an address, a branch or memory
  SharedRace,    ///< two warps of a block, no barrier between them
  GlobalRace,    ///< two blocks of a launch, or two operations that are not ordered
  DivergentBarrier,
  Deadlock,
  PendingAsyncCopy, ///< read or overwritten before the wait
  Trap,
  BadInstruction, ///< not implemented, or for another architecture
  StepLimit,
};

/// One thing that a check found. `text` is whole: kind, kernel, file:line of the CUDA source (from
/// .loc) and of the PTX, block, thread, address, the allocation beside it, and what to look at.
struct Finding {
  FindingKind kind;
  std::string kernel;
  unsigned sourceLine = 0, ptxLine = 0;
  std::string text;
};

/// What one PTX instruction did, over a launch. Counts are exact and the same in every schedule
/// that the checks accept.
struct InstructionCounters {
  unsigned ptxLine = 0, sourceLine = 0;
  uint64_t warpInstructions = 0, threadInstructions = 0;
  uint64_t requests = 0;     ///< warp accesses to global memory
  uint64_t sectors = 0;      ///< of 32 bytes, touched by them
  uint64_t idealSectors = 0; ///< if the bytes asked for lay side by side, aligned
  uint64_t sharedWaves = 0;  ///< wavefronts of shared memory, 32 banks of 4 bytes
  uint64_t idealSharedWaves = 0;
  uint64_t divergentBranches = 0;
};

/// Adds what another instruction, or the same in another launch, did; lines stay.
void add(InstructionCounters &to, const InstructionCounters &from);

/// What a launch did.
struct LaunchCounters {
  std::vector<InstructionCounters> instructions; ///< those that ran, in the order of the PTX
  uint64_t warpInstructions = 0, threadInstructions = 0;
  uint64_t globalRequests = 0, globalSectors = 0, idealGlobalSectors = 0;
  uint64_t sharedWaves = 0, idealSharedWaves = 0;
  uint64_t uniqueReadBytes = 0,
           uniqueWrittenBytes = 0;          ///< compulsory DRAM traffic, in sectors * 32
  uint64_t tensorFlops = 0, floatFlops = 0; ///< mma; scalar (fma counts 2)
  uint64_t divergentBranches = 0, barriers = 0;
};

/// Memory of one virtual GPU. Addresses are unique over all Memory objects of a process, so that a
/// pointer of one device is out of bounds on another. Not thread-safe.
class Memory {
public:
  explicit Memory(uint64_t capacity);
  ~Memory();
  Memory(const Memory &) = delete;

  /// 256-byte aligned, with red zones, uninitialised. DeviceUnavailable past the capacity.
  Expected<uint64_t> allocate(uint64_t bytes);
  /// Usage when nothing starts at `address`. Use after free is found as OutOfBounds.
  Status free(uint64_t address);
  uint64_t capacity() const;
  uint64_t used() const;
  /// The allocation around an address: its start and size; false when there is none.
  bool find(uint64_t address, uint64_t &start, uint64_t &bytes) const;

  // Accesses from the host or by copies; checked for bounds (an Error names the allocation beside
  // it) and for races (findings). Reading what nobody wrote is a finding.
  Status write(uint64_t address, std::span<const std::byte> from, const Order &order);
  Status read(uint64_t address, std::span<std::byte> to, const Order &order);
  Status fill(uint64_t address, std::span<const std::byte> pattern, uint64_t count,
              const Order &order);

  /// What checks have found since it was last taken: host accesses and launches.
  std::vector<Finding> takeFindings();

  struct State;
  State &state() { return *content; }

private:
  std::unique_ptr<State> content;
};

struct KernelInfo {
  std::string name;
  std::vector<uint32_t> parameterOffsets, parameterBytes; ///< in the parameter block
  uint32_t parameterBlockBytes = 0;
  uint32_t staticSharedBytes = 0, localBytes = 0;
  uint32_t maxThreads = 0; ///< .maxntid; 0: not given
};

/// A PTX module: parsed, resolved, and its .global/.const variables placed in a memory.
class Module {
public:
  /// Usage with the PTX line and the instruction for what cannot be parsed, is not implemented, or
  /// needs a newer architecture than `sm` (80 for sm_80).
  static Expected<std::unique_ptr<Module>> load(const std::string &ptx, unsigned sm,
                                                Memory &memory);
  virtual ~Module() = default;
  virtual std::vector<std::string> kernels() const = 0;
  virtual const KernelInfo *find(const std::string &kernel) const = 0;
  virtual bool findVariable(const std::string &name, uint64_t &address, uint64_t &bytes) const = 0;
};

struct LaunchConfig {
  uint32_t grid[3] = {1, 1, 1}, block[3] = {1, 1, 1};
  uint32_t dynamicSharedBytes = 0;
  std::span<const std::byte> parameters; ///< the parameter block
  uint64_t seed = 0;                     ///< of the order in which warps run; 0: round robin
  /// Lane after lane where lanes do not need each other: slow, and a check of the vector code,
  /// whose results are the same to the bit. Counters of memory are then those of single threads.
  bool oneByOne = false;
  uint64_t stepLimit = 0; ///< warp instructions of one block before StepLimit; 0: none
};

/// Runs a kernel to its end. Counters are added to `counters` (matched by PTX line) when it is not
/// null. The Error is the first finding that stops a launch (all but races and uninitialised reads
/// do); every finding is also in memory.takeFindings(). Usage for a bad configuration.
Status launch(const Module &module, const std::string &kernel, const LaunchConfig &config,
              Memory &memory, const Order &order, LaunchCounters *counters);

} // namespace danaus::vgpu
