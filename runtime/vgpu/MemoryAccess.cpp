// See MemoryAccess.h.
#include "runtime/vgpu/MemoryAccess.h"

#include <algorithm>

namespace danaus::vgpu {

void spread(const Warp &w, Addresses &at) {
  if (w.mask == AllLanes)
    return;
  uint64_t first = at[size_t(firstLane(w.mask))];
  for (unsigned i = 0; i < Lanes; ++i)
    at[i] = w.mask >> i & 1 ? at[i] : first;
}

Addresses addressesOf(Warp &w, const Instruction &in, unsigned operand) {
  Addresses at;
  if (in.negated & 0x80) {
    const auto *base = w.lanes<uint32_t>(in.from[operand]);
    for (unsigned i = 0; i < Lanes; ++i)
      at[i] = uint64_t(base[i]) + uint64_t(in.offset);
  } else {
    const auto *base = w.lanes<uint64_t>(in.from[operand]);
    for (unsigned i = 0; i < Lanes; ++i)
      at[i] = base[i] + uint64_t(in.offset);
  }
  spread(w, at);
  return at;
}

/// The shape of an access; an instruction remembers one of each of its two sides.
static const AccessShape &shapeOf(Warp &w, const Instruction &in, const Addresses &at,
                                  uint32_t bytes, unsigned side, unsigned together = Lanes) {
  auto &known = w.block->shapesOf(in)[side];
  if (!known)
    known = std::make_unique<AccessShape>();
  if (!known->isOf(w.mask, at, bytes))
    known->make(w.mask, at, bytes, together);
  return *known;
}

/// The first lane whose access of `bytes` holds `place`.
static int laneAt(const Warp &w, const Addresses &at, uint32_t bytes, uint64_t place) {
  for (uint32_t left = w.mask; left; left &= left - 1)
    if (place - at[size_t(firstLane(left))] < bytes)
      return firstLane(left);
  return firstLane(w.mask);
}

// --- global memory ---------------------------------------------------------

/// Whether all accesses are aligned and inside.
static bool checkGlobal(Warp &w, const Instruction &in, const Addresses &at,
                        const AccessShape &shape, const char *what) {
  Memory::State &memory = *w.block->memory;
  uint32_t bytes = shape.bytes;
  if (shape.isAligned && memory.contains(at[0] + shape.least, shape.span))
    return true;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    uint64_t address = at[size_t(i)];
    bool isAligned = address % bytes == 0;
    if (isAligned && memory.contains(address, bytes))
      continue;
    w.block->fail(isAligned ? FindingKind::OutOfBounds : FindingKind::Misaligned, w, in, i,
                  format("%s of %u bytes at ", what, bytes) + memory.describe(address));
    return false;
  }
  return true;
}

static void reportGlobal(Warp &w, const Instruction &in, int lane, Memory::State::Conflict conflict,
                         uint32_t other, uint64_t address, Access access) {
  using C = Memory::State::Conflict;
  Memory::State &memory = *w.block->memory;
  std::string place = memory.describe(address);
  if (conflict == C::Unwritten)
    return w.block->report(FindingKind::Uninitialised, w, in, lane,
                           "reads what nobody has written: " + place);
  bool isEarlier = conflict == C::EarlierRead || conflict == C::EarlierWrite;
  bool isRead = conflict == C::Read || conflict == C::EarlierRead;
  w.block->report(
      FindingKind::GlobalRace, w, in, lane,
      std::string(access == Access::Read ? "reads" : "writes") + " what " +
          memory.nameOf(conflict, other) + (isRead ? " reads" : " writes") +
          (isEarlier ? ", and no stream or event orders the two: " : " in the same launch: ") +
          place);
}

const AccessShape *accessGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                                Access access, const char *what) {
  const AccessShape &shape = shapeOf(w, in, at, bytes, 1);
  if (!checkGlobal(w, in, at, shape, what))
    return nullptr;
  BlockRun &block = *w.block;
  InstructionCounters &own = block.countersOf(in);
  ++own.requests;
  own.sectors += shape.sectors;
  own.idealSectors += shape.idealSectors;
  Memory::State &memory = *block.memory;
  for (uint32_t r = 0; r < shape.runCount; ++r) {
    Memory::State::Met met;
    uint64_t from = at[0] + shape.runs[r].from;
    // Atomics of different blocks do not race with each other.
    auto conflict =
        access == Access::Read
            ? memory.read(from, shape.runs[r].bytes, block.index, met,
                          block.totals->uniqueReadBytes)
            : memory.write(from, shape.runs[r].bytes, access == Access::Atomic ? ~1u : block.index,
                           met, block.totals->uniqueWrittenBytes);
    if (conflict == Memory::State::Conflict::None)
      continue;
    reportGlobal(w, in, laneAt(w, at, bytes, met.address), conflict, met.other, met.address,
                 access);
    break; // one finding an instruction
  }
  return &shape;
}

// --- shared memory ---------------------------------------------------------

static bool checkShared(Warp &w, const Instruction &in, const Addresses &at,
                        const AccessShape &shape, const char *what) {
  uint64_t size = w.block->shared.size(), least = at[0] + shape.least;
  uint32_t bytes = shape.bytes;
  if (shape.isAligned && least < size && shape.span <= size - least)
    return true;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    auto address = (unsigned long long)at[size_t(i)];
    if (address % bytes != 0)
      w.block->fail(FindingKind::Misaligned, w, in, i,
                    format("%s of %u bytes at shared address %llu", what, bytes, address));
    else if (address >= size || bytes > size - address)
      w.block->fail(FindingKind::OutOfBounds, w, in, i,
                    format("%s of %u bytes at shared address %llu, and the block has %u bytes",
                           what, bytes, address, w.block->shared.size()));
    else
      continue;
    return false;
  }
  return true;
}

void reportShared(Warp &w, const Instruction &in, int lane, SharedMemory::Conflict conflict,
                  uint32_t other, uint32_t at, Access access) {
  using C = SharedMemory::Conflict;
  bool isRead = access == Access::Read || access == Access::ReadMatrix;
  std::string place = format("shared address %u", at), verb = isRead ? "reads" : "writes";
  if (conflict == C::Unwritten)
    w.block->report(FindingKind::Uninitialised, w, in, lane,
                    "reads what nobody has written: " + place);
  else if (conflict == C::Pending)
    w.block->report(FindingKind::PendingAsyncCopy, w, in, lane,
                    verb + " what cp.async is still copying (no wait before it): " + place);
  else if (conflict == C::Race)
    w.block->report(
        FindingKind::SharedRace, w, in, lane,
        verb + " what " +
            (other == SharedMemory::Many ? "other warps use" : format("warp %u uses", other)) +
            ", without a barrier between the two: " + place);
}

const AccessShape *countShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                               Access access, const char *what) {
  const AccessShape &shape = shapeOf(w, in, at, bytes, 0, access == Access::ReadMatrix ? 8 : Lanes);
  if (!checkShared(w, in, at, shape, what))
    return nullptr;
  InstructionCounters &own = w.block->countersOf(in);
  own.sharedWaves += shape.waves;
  own.idealSharedWaves += shape.idealWaves;
  return &shape;
}

const AccessShape *accessShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                                Access access, const char *what) {
  const AccessShape *shape = countShared(w, in, at, bytes, access, what);
  if (!shape)
    return nullptr;
  SharedMemory &shared = w.block->shared;
  bool isRead = access == Access::Read || access == Access::ReadMatrix;
  for (uint32_t r = 0; r < shape->runCount; ++r) {
    uint32_t from = uint32_t(at[0] + shape->runs[r].from), other = 0, place = from;
    auto conflict = isRead ? shared.read(from, shape->runs[r].bytes, w.number, other, place)
                           : shared.write(from, shape->runs[r].bytes, w.number, other, place);
    if (conflict == SharedMemory::Conflict::None)
      continue;
    reportShared(w, in, laneAt(w, at, bytes, place), conflict, other, place, access);
    break;
  }
  return shape;
}

} // namespace danaus::vgpu
