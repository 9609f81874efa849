// See MemoryAccess.h.
#include "runtime/vgpu/MemoryAccess.h"

#include <algorithm>
#include <utility>

namespace danaus::vgpu {

/// Gives the lanes that take no part the address of the first that does.
void spread(const Warp &w, Addresses &at) {
  if (w.mask == AllLanes)
    return;
  uint64_t first = at[size_t(firstLane(w.mask))];
  for (unsigned i = 0; i < Lanes; ++i)
    at[i] = w.mask >> i & 1 ? at[i] : first;
}

/// The addresses of the lanes; 32-bit registers are widened.
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

Pattern patternOf(const Warp &w, const Addresses &at, uint32_t bytes) {
  uint64_t least = at[0], most = at[0];
  for (unsigned i = 1; i < Lanes; ++i) {
    least = std::min(least, at[i]);
    most = std::max(most, at[i]);
  }
  if (least == most)
    return {least, most, true};
  uint64_t away = 0;
  if (w.mask == AllLanes)
    for (unsigned i = 0; i < Lanes; ++i)
      away |= at[i] ^ (at[0] + uint64_t(i) * bytes);
  return {least, most, w.mask == AllLanes && away == 0};
}

// --- counters --------------------------------------------------------------

/// The number of different values of address / unit over lanes that access `bytes` each.
static unsigned differentUnits(const Warp &w, const Addresses &at, uint32_t bytes, unsigned unit) {
  std::array<uint64_t, 4 * Lanes> seen;
  unsigned count = 0;
  uint64_t last = ~uint64_t(0);
  bool ascending = true;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    unsigned i = unsigned(std::countr_zero(left));
    for (uint64_t u = at[i] / unit; u <= (at[i] + bytes - 1) / unit; ++u) {
      if (u == last)
        continue;
      ascending &= last == ~uint64_t(0) || u > last;
      last = u;
      if (count < seen.size())
        seen[count++] = u;
    }
  }
  if (ascending)
    return count;
  std::sort(seen.begin(), seen.begin() + count);
  return unsigned(std::unique(seen.begin(), seen.begin() + count) - seen.begin());
}

void countGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                 const Pattern &pattern) {
  InstructionCounters &own = w.block->countersOf(in);
  ++own.requests;
  if (pattern.isRun) {
    own.sectors += (pattern.most + bytes - 1) / 32 - pattern.least / 32 + 1;
    own.idealSectors += (pattern.most + bytes - pattern.least + 31) / 32;
    return;
  }
  own.sectors += differentUnits(w, at, bytes, 32);
  own.idealSectors += (differentUnits(w, at, bytes, bytes) * bytes + 31) / 32;
}

/// Wavefronts: what the fullest of 32 banks of 4 bytes has to give, different words one after
/// another.
unsigned wavesOf(const Warp &w, const Addresses &at, uint32_t bytes, unsigned &words) {
  uint32_t given[32][4 * Lanes];
  unsigned counts[32] = {}, waves = 0;
  uint64_t last = ~uint64_t(0);
  words = 0;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    uint64_t address = at[size_t(firstLane(left))];
    if (std::exchange(last, address) == address)
      continue;
    for (uint32_t word = uint32_t(address / 4); word <= (address + bytes - 1) / 4; ++word) {
      uint32_t *own = given[word % 32];
      unsigned &count = counts[word % 32];
      if (std::find(own, own + count, word) != own + count)
        continue;
      own[count++] = word;
      waves = std::max(waves, count);
      ++words;
    }
  }
  return waves;
}

void countShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                 const Pattern &pattern) {
  InstructionCounters &own = w.block->countersOf(in);
  unsigned words = 0, waves;
  if (pattern.isRun) {
    words = unsigned((pattern.most + bytes - 1) / 4 - pattern.least / 4 + 1);
    waves = (words + 31) / 32;
  } else {
    waves = wavesOf(w, at, bytes, words);
  }
  own.sharedWaves += waves;
  own.idealSharedWaves += (words + 31) / 32;
}

// --- checks ----------------------------------------------------------------

/// Whether all accesses are aligned and inside; a finding stops the launch.
bool checkGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                 const Pattern &pattern, const char *what) {
  Memory::State &memory = *w.block->memory;
  uint64_t low = 0;
  for (unsigned i = 0; i < Lanes; ++i)
    low |= at[i];
  if (low % bytes == 0 && memory.contains(pattern.least, pattern.most - pattern.least + bytes))
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

void shadowGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                  const Pattern &pattern, Access access) {
  BlockRun &block = *w.block;
  Memory::State &memory = *block.memory;
  auto mark = [&](int lane, uint64_t address, uint32_t size) {
    uint32_t other = 0;
    // Atomics of different blocks do not race with each other.
    auto conflict =
        access == Access::Read
            ? memory.read(address, size, block.index, other, block.totals->uniqueReadBytes)
            : memory.write(address, size, access == Access::Atomic ? ~1u : block.index, other,
                           block.totals->uniqueWrittenBytes);
    if (conflict == Memory::State::Conflict::None)
      return true;
    reportGlobal(w, in, lane, conflict, other, address, access);
    return false; // one finding an instruction
  };
  uint64_t size = pattern.most + bytes - pattern.least;
  if (pattern.isRun &&
      pattern.least / Shadow::Bytes == (pattern.least + size - 1) / Shadow::Bytes) {
    mark(firstLane(w.mask), pattern.least, uint32_t(size));
    return;
  }
  for (uint32_t left = w.mask; left; left &= left - 1)
    if (int i = firstLane(left); !mark(i, at[size_t(i)], bytes))
      return;
}

bool checkShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                 const Pattern &pattern, const char *what) {
  uint64_t low = 0, size = w.block->shared.size();
  for (unsigned i = 0; i < Lanes; ++i)
    low |= at[i];
  if (low % bytes == 0 && pattern.most < size && bytes <= size - pattern.most)
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
  std::string place = format("shared address %u", at),
              verb = access == Access::Read ? "reads" : "writes";
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

void shadowShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes,
                  const Pattern &pattern, Access access) {
  SharedMemory &shared = w.block->shared;
  auto mark = [&](int lane, uint32_t offset, uint32_t size) {
    uint32_t other = 0, place = offset;
    auto conflict = access != Access::Read ? shared.write(offset, size, w.number, other, place)
                                           : shared.read(offset, size, w.number, other, place);
    if (conflict != SharedMemory::Conflict::None)
      reportShared(w, in, lane, conflict, other, place, access);
    return conflict == SharedMemory::Conflict::None;
  };
  if (pattern.isRun) {
    mark(firstLane(w.mask), uint32_t(pattern.least),
         uint32_t(pattern.most + bytes - pattern.least));
    return;
  }
  uint64_t last = ~uint64_t(0);
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    if (std::exchange(last, at[size_t(i)]) != at[size_t(i)] &&
        !mark(i, uint32_t(at[size_t(i)]), bytes))
      return;
  }
}

} // namespace danaus::vgpu
