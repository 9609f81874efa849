// The state of a running block and of its warps, and loops over lanes. Private to the engine.
#pragma once

#include "runtime/vgpu/AccessShape.h"
#include "runtime/vgpu/Memory.h"
#include "runtime/vgpu/Program.h"
#include "runtime/vgpu/SharedMemory.h"

#include <bit>
#include <cstring>

namespace danaus::vgpu {

class BlockRun;

/// Lanes at one place in the code.
struct Group {
  uint32_t pc = 0;
  uint32_t mask = 0;
};

/// An asynchronous copy that was started: of the lanes of `mask`.
struct PendingCopy {
  uint32_t mask;
  uint32_t bytes;
  uint32_t to[Lanes];
  uint64_t from[Lanes];
  uint32_t size[Lanes]; ///< bytes that are read; the rest is zeros
  const Instruction *instruction;
};

enum class WarpState { Ready, AtBarrier, Done };

class Warp {
public:
  uint32_t *words() { return file.data(); }
  template <typename T> T *lanes(uint32_t word) {
    return reinterpret_cast<T *>(file.data() + word);
  }
  uint32_t &predicate(uint32_t word) { return file[word]; }

  std::vector<uint32_t> file;
  std::vector<std::byte> local;      ///< the lanes' own memory, one behind the other
  std::vector<uint8_t> localWritten; ///< which of its bytes have been written
  uint32_t mask = 0;                 ///< lanes that execute the present instruction
  Group current;
  std::vector<Group> others; ///< diverged groups that wait
  uint32_t alive = 0;        ///< lanes that have not exited
  WarpState state = WarpState::Ready;
  const Instruction *barrier = nullptr; ///< where it waits
  uint32_t barrierNumber = 0;
  unsigned number = 0;
  BlockRun *block = nullptr;
  std::vector<PendingCopy> open;                ///< cp.async since the last commit
  std::vector<std::vector<PendingCopy>> copies; ///< committed groups, oldest first
  bool moved = false;                           ///< the instruction has set current.pc itself
};

/// The block that runs: what its warps share, and what they report to.
class BlockRun {
public:
  Memory::State *memory = nullptr;
  SharedMemory shared;
  const Kernel *kernel = nullptr;
  std::span<const std::byte> parameters;
  uint32_t index = 0; ///< of the block in the grid
  std::vector<InstructionCounters> *counters = nullptr;
  LaunchCounters *totals = nullptr;
  bool stopped = false; ///< by a finding
  uint32_t blockIndex[3] = {};

  /// The shapes of its accesses that an instruction saw last: of shared memory, of global memory.
  using Shapes = std::array<std::unique_ptr<AccessShape>, 2>;
  std::vector<Shapes> shapes;
  Shapes &shapesOf(const Instruction &instruction) {
    return shapes[size_t(&instruction - kernel->code.data())];
  }
  InstructionCounters &countersOf(const Instruction &instruction) {
    return (*counters)[size_t(&instruction - kernel->code.data())];
  }
  /// Reports a finding of this launch; `lane` of `warp` met it.
  void report(FindingKind kind, const Warp &warp, const Instruction &instruction, int lane,
              const std::string &what);
  /// Those that stop the launch.
  void fail(FindingKind kind, const Warp &warp, const Instruction &instruction, int lane,
            const std::string &what) {
    report(kind, warp, instruction, lane, what);
    stopped = true;
  }
};

inline constexpr uint32_t AllLanes = ~0u;

/// f(lane) for the lanes of warp.mask. Lanes are independent: the loop may be vectorised.
template <typename F> inline __attribute__((always_inline)) void forLanes(const Warp &warp, F f) {
  if (warp.mask == AllLanes) {
#pragma clang loop vectorize(assume_safety)
    for (unsigned i = 0; i < Lanes; ++i)
      f(i);
    return;
  }
  for (uint32_t left = warp.mask; left; left &= left - 1)
    f(unsigned(std::countr_zero(left)));
}

inline int firstLane(uint32_t mask) { return std::countr_zero(mask); }

} // namespace danaus::vgpu
