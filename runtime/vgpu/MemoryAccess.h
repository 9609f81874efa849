// How the lanes of a warp access memory together: their addresses, what that costs, and whether it
// is allowed. Shared by the handlers of all instructions that touch memory. Private to the engine.
#pragma once

#include "runtime/vgpu/Warp.h"

#include <array>

namespace danaus::vgpu {

using Addresses = std::array<uint64_t, Lanes>;

/// The addresses of the lanes; 32-bit registers are widened.
Addresses addressesOf(Warp &w, const Instruction &in, unsigned operand = 0);
/// Gives the lanes that take no part the address of the first that does.
void spread(const Warp &w, Addresses &at);

/// How the lanes' accesses lie to each other.
struct Pattern {
  uint64_t least, most; ///< addresses
  bool isRun;           ///< side by side, or all the same: [least, most + bytes) without holes
};

Pattern patternOf(const Warp &w, const Addresses &at, uint32_t bytes);

/// Adds an access to the counters of its instruction.
void countGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                 const Pattern &pattern);
void countShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                 const Pattern &pattern);
/// Wavefronts of shared memory: what the fullest of 32 banks of 4 bytes has to give, different
/// words one after another; `words` becomes the number of different ones.
unsigned wavesOf(const Warp &w, const Addresses &at, uint32_t bytes, unsigned &words);

/// Whether all accesses are aligned and inside; a finding stops the launch. `what` is "a load" or
/// the like.
bool checkGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                 const Pattern &pattern, const char *what);
bool checkShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                 const Pattern &pattern, const char *what);

enum class Access { Read, Write, Atomic };

/// Marks what is accessed; what nobody has written, and races, are findings.
void shadowGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                  const Pattern &pattern, Access access);
void shadowShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                  const Pattern &pattern, Access access);
void reportShared(Warp &w, const Instruction &in, int lane, SharedMemory::Conflict conflict,
                  uint32_t other, uint32_t at, Access access);

/// f(lane) for the lanes of `mask`, one after another.
template <typename F> void forEachLane(uint32_t mask, F f) {
  for (uint32_t left = mask; left; left &= left - 1)
    f(unsigned(std::countr_zero(left)));
}

} // namespace danaus::vgpu
