// What the handlers of all instructions that touch memory share: the addresses of the lanes, and
// one function a space that checks an access, counts it, and marks what it touches. Private to the
// engine.
#pragma once

#include "runtime/vgpu/AccessShape.h"
#include "runtime/vgpu/Warp.h"

namespace danaus::vgpu {

/// The addresses of the lanes; 32-bit registers are widened. Lanes that take no part have the
/// address of the first that does.
Addresses addressesOf(Warp &w, const Instruction &in, unsigned operand = 0);
/// Gives the lanes that take no part the address of the first that does.
void spread(const Warp &w, Addresses &at);

enum class Access { Read, Write, Atomic, ReadMatrix };

/// An access of `bytes` a lane. Null, after a finding that stops the launch, where one is
/// misaligned or outside; `what` is "a load" or the like. What nobody has written, and races, are
/// findings too, but stop nothing.
const AccessShape *accessGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                                Access access, const char *what);
const AccessShape *accessShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                                Access access, const char *what);
/// The first of the two alone: the shape of an access that is aligned and inside, counted.
const AccessShape *countShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                               Access access, const char *what);
void reportShared(Warp &w, const Instruction &in, int lane, SharedMemory::Conflict conflict,
                  uint32_t other, uint32_t at, Access access);

/// Between memory and the registers of an access, of one lane.
void loadElements(Warp &w, const Instruction &in, unsigned lane, const std::byte *from);
void storeElements(Warp &w, const Instruction &in, unsigned lane, std::byte *to);

/// A thread's own memory; addresses count from its beginning.
void loadLocalAt(Warp &w, const Instruction &in, const Addresses &at);
void storeLocalAt(Warp &w, const Instruction &in, const Addresses &at);
void loadLocal(Warp &w, const Instruction &in);
void storeLocal(Warp &w, const Instruction &in);

/// f(lane) for the lanes of `mask`, one after another.
template <typename F> void forEachLane(uint32_t mask, F f) {
  for (uint32_t left = mask; left; left &= left - 1)
    f(unsigned(std::countr_zero(left)));
}

} // namespace danaus::vgpu
