// Handlers of instructions that touch memory, with their checks and counters: ld, st, atom, red,
// cp.async, ldmatrix, cvta.
#include "runtime/vgpu/Warp.h"

#include <algorithm>
#include <array>
#include <utility>

namespace danaus::vgpu {

namespace {

using Addresses = std::array<uint64_t, Lanes>;

/// Gives the lanes that take no part the address of the first that does.
void spread(const Warp &w, Addresses &at) {
  if (w.mask == AllLanes)
    return;
  uint64_t first = at[size_t(firstLane(w.mask))];
  for (unsigned i = 0; i < Lanes; ++i)
    at[i] = w.mask >> i & 1 ? at[i] : first;
}

/// The addresses of the lanes; 32-bit registers are widened.
Addresses addressesOf(Warp &w, const Instruction &in, unsigned operand = 0) {
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

/// How the lanes' accesses lie to each other.
struct Pattern {
  uint64_t least, most; ///< addresses
  bool isRun;           ///< side by side, or all the same: [least, most + bytes) without holes
};

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

// --- counters
// -------------------------------------------------------------------------------------

/// The number of different values of address / unit over lanes that access `bytes` each.
unsigned differentUnits(const Warp &w, const Addresses &at, uint32_t bytes, unsigned unit) {
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

// --- checks
// ---------------------------------------------------------------------------------------

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

enum class Access { Read, Write, Atomic };

void reportGlobal(Warp &w, const Instruction &in, int lane, Memory::State::Conflict conflict,
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
                  uint32_t other, uint32_t at, bool isWrite) {
  using C = SharedMemory::Conflict;
  std::string place = format("shared address %u", at), verb = isWrite ? "writes" : "reads";
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
                  const Pattern &pattern, bool isWrite) {
  SharedMemory &shared = w.block->shared;
  auto mark = [&](int lane, uint32_t offset, uint32_t size) {
    uint32_t other = 0, place = offset;
    auto conflict = isWrite ? shared.write(offset, size, w.number, other, place)
                            : shared.read(offset, size, w.number, other, place);
    if (conflict != SharedMemory::Conflict::None)
      reportShared(w, in, lane, conflict, other, place, isWrite);
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

// --- loads and stores
// -----------------------------------------------------------------------------

template <typename T>
void putLane(Warp &w, uint32_t word, unsigned lane, const void *from, bool isSigned) {
  if (word == NoRegister)
    return;
  T value;
  std::memcpy(&value, from, sizeof(T));
  if constexpr (sizeof(T) == 8)
    w.lanes<uint64_t>(word)[lane] = value;
  else
    w.lanes<uint32_t>(word)[lane] =
        isSigned ? uint32_t(int32_t(std::make_signed_t<T>(value))) : uint32_t(value);
}

void loadElements(Warp &w, const Instruction &in, unsigned lane, const std::byte *from) {
  for (unsigned e = 0; e < in.count; ++e, from += in.bytes)
    in.bytes == 8   ? putLane<uint64_t>(w, in.to[e], lane, from, false)
    : in.bytes == 4 ? putLane<uint32_t>(w, in.to[e], lane, from, false)
    : in.bytes == 2 ? putLane<uint16_t>(w, in.to[e], lane, from, in.flag)
                    : putLane<uint8_t>(w, in.to[e], lane, from, in.flag);
}

void storeElements(Warp &w, const Instruction &in, unsigned lane, std::byte *to) {
  for (unsigned e = 0; e < in.count; ++e, to += in.bytes)
    if (in.bytes == 8)
      std::memcpy(to, &w.lanes<uint64_t>(in.from[1 + e])[lane], 8);
    else
      std::memcpy(to, &w.lanes<uint32_t>(in.from[1 + e])[lane], in.bytes);
}

template <typename F> void forEachLane(uint32_t mask, F f) {
  for (uint32_t left = mask; left; left &= left - 1)
    f(unsigned(std::countr_zero(left)));
}

/// From base + at[lane] to the registers of in.to.
void loadLanes(Warp &w, const Instruction &in, const std::byte *base, const Addresses &at) {
  if (in.bytes != 4)
    return forEachLane(w.mask, [&](unsigned i) { loadElements(w, in, i, base + at[i]); });
  for (unsigned e = 0; e < in.count; ++e)
    if (in.to[e] != NoRegister) {
      auto *to = w.lanes<uint32_t>(in.to[e]);
      const std::byte *from = base + 4 * e;
      forLanes(w, [&](unsigned i) { std::memcpy(&to[i], from + at[i], 4); });
    }
}
void storeLanes(Warp &w, const Instruction &in, std::byte *base, const Addresses &at) {
  forEachLane(w.mask, [&](unsigned i) { storeElements(w, in, i, base + at[i]); });
}

void loadGlobalAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  Pattern pattern = patternOf(w, at, bytes);
  if (!checkGlobal(w, in, at, bytes, pattern, "a load"))
    return;
  countGlobal(w, in, at, bytes, pattern);
  shadowGlobal(w, in, at, bytes, pattern, Access::Read);
  loadLanes(w, in, nullptr, at);
}
void storeGlobalAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  Pattern pattern = patternOf(w, at, bytes);
  if (!checkGlobal(w, in, at, bytes, pattern, "a store"))
    return;
  countGlobal(w, in, at, bytes, pattern);
  shadowGlobal(w, in, at, bytes, pattern, Access::Write);
  storeLanes(w, in, nullptr, at);
}
void loadSharedAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  Pattern pattern = patternOf(w, at, bytes);
  if (!checkShared(w, in, at, bytes, pattern, "a load"))
    return;
  countShared(w, in, at, bytes, pattern);
  shadowShared(w, in, at, bytes, pattern, false);
  loadLanes(w, in, reinterpret_cast<const std::byte *>(w.block->shared.data()), at);
}
void storeSharedAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  Pattern pattern = patternOf(w, at, bytes);
  if (!checkShared(w, in, at, bytes, pattern, "a store"))
    return;
  countShared(w, in, at, bytes, pattern);
  shadowShared(w, in, at, bytes, pattern, true);
  storeLanes(w, in, reinterpret_cast<std::byte *>(w.block->shared.data()), at);
}

void loadGlobal(Warp &w, const Instruction &in) { loadGlobalAt(w, in, addressesOf(w, in)); }
void storeGlobal(Warp &w, const Instruction &in) { storeGlobalAt(w, in, addressesOf(w, in)); }
void loadShared(Warp &w, const Instruction &in) { loadSharedAt(w, in, addressesOf(w, in)); }
void storeShared(Warp &w, const Instruction &in) { storeSharedAt(w, in, addressesOf(w, in)); }

/// Lanes of a generic access that lie in shared memory, and their addresses there.
uint32_t splitGeneric(const Warp &w, Addresses &at) {
  uint32_t shared = 0;
  forEachLane(w.mask, [&](unsigned i) {
    if (at[i] - SharedWindow < uint64_t(1) << 32) {
      shared |= 1u << i;
      at[i] -= SharedWindow;
    }
  });
  return shared;
}

template <void (*sharedAt)(Warp &, const Instruction &, const Addresses &),
          void (*globalAt)(Warp &, const Instruction &, const Addresses &)>
void generic(Warp &w, const Instruction &in) {
  Addresses at = addressesOf(w, in);
  uint32_t all = w.mask, shared = splitGeneric(w, at);
  if ((w.mask = all & shared)) {
    Addresses own = at;
    spread(w, own);
    sharedAt(w, in, own);
  }
  if ((w.mask = all & ~shared) && !w.block->stopped) {
    spread(w, at);
    globalAt(w, in, at);
  }
  w.mask = all;
}

void loadParameter(Warp &w, const Instruction &in) {
  Addresses at = addressesOf(w, in);
  std::span<const std::byte> parameters = w.block->parameters;
  forEachLane(w.mask, [&](unsigned i) {
    if (at[i] + uint32_t(in.bytes) * in.count <= parameters.size())
      loadElements(w, in, i, parameters.data() + at[i]);
  });
}

// --- atomics
// --------------------------------------------------------------------------------------

enum class Operation { Add, Min, Max, And, Or, Xor, Exchange, CompareSwap };

template <typename T> T applied(Operation operation, T old, T a, T b) {
  switch (operation) {
  case Operation::Add:
    return T(old + a);
  case Operation::Min:
    return std::min(old, a);
  case Operation::Max:
    return std::max(old, a);
  case Operation::Exchange:
    return a;
  case Operation::CompareSwap:
    return old == a ? b : old;
  default:
    if constexpr (std::is_integral_v<T>)
      return operation == Operation::And  ? T(old & a)
             : operation == Operation::Or ? T(old | a)
                                          : T(old ^ a);
    return old;
  }
}

/// Lane after lane; the old value goes to to[0] where there is one.
template <typename T, Operation operation, bool isShared>
void atomic(Warp &w, const Instruction &in) {
  Addresses at = addressesOf(w, in);
  Pattern pattern = patternOf(w, at, sizeof(T));
  if constexpr (isShared) {
    if (!checkShared(w, in, at, sizeof(T), pattern, "an atomic"))
      return;
    countShared(w, in, at, sizeof(T), pattern);
    shadowShared(w, in, at, sizeof(T), pattern, true);
  } else {
    if (!checkGlobal(w, in, at, sizeof(T), pattern, "an atomic"))
      return;
    countGlobal(w, in, at, sizeof(T), pattern);
    shadowGlobal(w, in, at, sizeof(T), pattern, Access::Atomic);
  }
  using L = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  forEachLane(w.mask, [&](unsigned i) {
    auto *place = isShared ? reinterpret_cast<std::byte *>(w.block->shared.data()) + at[i]
                           : reinterpret_cast<std::byte *>(at[i]);
    T old, b = T();
    std::memcpy(&old, place, sizeof(T));
    T a = std::bit_cast<T>(w.lanes<L>(in.from[1])[i]);
    if (operation == Operation::CompareSwap)
      b = std::bit_cast<T>(w.lanes<L>(in.from[2])[i]);
    T now = applied(operation, old, a, b);
    std::memcpy(place, &now, sizeof(T));
    if (in.to[0] != NoRegister)
      w.lanes<L>(in.to[0])[i] = std::bit_cast<L>(old);
  });
}

template <typename T, bool isShared> Handler atomicOf(const PtxInstruction &p) {
  using O = Operation;
  return p.has("add")    ? atomic<T, O::Add, isShared>
         : p.has("min")  ? atomic<T, O::Min, isShared>
         : p.has("max")  ? atomic<T, O::Max, isShared>
         : p.has("and")  ? atomic<T, O::And, isShared>
         : p.has("or")   ? atomic<T, O::Or, isShared>
         : p.has("xor")  ? atomic<T, O::Xor, isShared>
         : p.has("exch") ? atomic<T, O::Exchange, isShared>
         : p.has("cas")  ? atomic<T, O::CompareSwap, isShared>
                         : nullptr;
}
template <bool isShared> Handler atomicFor(const PtxInstruction &p) {
  const std::string &type = p.type();
  return type == "f32"            ? atomicOf<float, isShared>(p)
         : type == "f64"          ? atomicOf<double, isShared>(p)
         : type == "s32"          ? atomicOf<int32_t, isShared>(p)
         : type == "s64"          ? atomicOf<int64_t, isShared>(p)
         : bytesOfType(type) == 8 ? atomicOf<uint64_t, isShared>(p)
         : bytesOfType(type) == 4 ? atomicOf<uint32_t, isShared>(p)
                                  : nullptr;
}

// --- cp.async
// -------------------------------------------------------------------------------------

/// cp.async [to], [from], bytes{, size}: lands at the wait; until then what it will write is
/// nobody's.
void copyAsync(Warp &w, const Instruction &in) {
  PendingCopy copy;
  copy.mask = w.mask;
  copy.bytes = in.bytes;
  copy.instruction = &in;
  Addresses to, from;
  for (unsigned i = 0; i < Lanes; ++i) {
    // The first address is 32 bits wide, the second 64.
    to[i] = w.lanes<uint32_t>(in.from[0])[i];
    from[i] = w.lanes<uint64_t>(in.from[1])[i];
    copy.to[i] = uint32_t(to[i]);
    copy.from[i] = from[i];
    copy.size[i] =
        in.flag ? std::min<uint32_t>(w.lanes<uint32_t>(in.from[3])[i], in.bytes) : in.bytes;
  }
  spread(w, to);
  spread(w, from);
  Pattern pattern = patternOf(w, to, in.bytes);
  if (!checkShared(w, in, to, in.bytes, pattern, "cp.async"))
    return;
  countShared(w, in, to, in.bytes, pattern);
  uint32_t all = w.mask;
  for (unsigned i = 0; i < Lanes; ++i)
    if (copy.size[i] == 0)
      w.mask &= ~(1u << i);
  if (w.mask) {
    spread(w, from);
    Pattern source = patternOf(w, from, in.bytes);
    if (checkGlobal(w, in, from, in.bytes, source, "cp.async")) {
      countGlobal(w, in, from, in.bytes, source);
      shadowGlobal(w, in, from, in.bytes, source, Access::Read);
    }
  }
  w.mask = all;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    uint32_t other = 0, place = 0;
    auto conflict = w.block->shared.startCopy(copy.to[i], in.bytes, w.number, other, place);
    if (conflict != SharedMemory::Conflict::None) {
      reportShared(w, in, i, conflict, other, place, true);
      break;
    }
  }
  w.open.push_back(copy);
}

void commitCopies(Warp &w, const Instruction &) {
  w.copies.push_back(std::move(w.open));
  w.open.clear();
}

void finish(Warp &w, const PendingCopy &copy) {
  SharedMemory &shared = w.block->shared;
  for (uint32_t left = copy.mask; left; left &= left - 1) {
    int i = firstLane(left);
    if (copy.size[i] > 0)
      std::memcpy(shared.data() + copy.to[i], reinterpret_cast<const void *>(copy.from[i]),
                  copy.size[i]);
    std::memset(shared.data() + copy.to[i] + copy.size[i], 0, copy.bytes - copy.size[i]);
    uint32_t other = 0, place = 0;
    auto conflict = shared.finishCopy(copy.to[i], copy.bytes, w.number, other, place);
    if (conflict != SharedMemory::Conflict::None)
      reportShared(w, *copy.instruction, i, conflict, other, place, true);
  }
}

/// All but the newest groups; from[0] holds how many of those.
void waitCopies(Warp &w, const Instruction &in) {
  uint32_t newest = in.flag ? 0 : w.lanes<uint32_t>(in.from[0])[size_t(firstLane(w.mask))];
  if (in.flag && !w.open.empty())
    commitCopies(w, in);
  while (w.copies.size() > newest) {
    for (const PendingCopy &copy : w.copies.front())
      finish(w, copy);
    w.copies.erase(w.copies.begin());
  }
}

// --- ldmatrix
// -------------------------------------------------------------------------------------

/// Matrices of 8 rows of 16 bytes; lane 8 i + r has the address of row r of matrix i. flag:
/// transposed.
void loadMatrix(Warp &w, const Instruction &in) {
  Addresses at = addressesOf(w, in);
  uint32_t all = w.mask;
  w.mask = in.count == 4 ? all : (1u << 8 * in.count) - 1;
  spread(w, at);
  Pattern pattern = patternOf(w, at, 16);
  bool inside = checkShared(w, in, at, 16, pattern, "ldmatrix");
  if (inside) {
    // Each matrix is a wavefront where its rows lie in different banks.
    InstructionCounters &own = w.block->countersOf(in);
    uint32_t lanes = w.mask;
    for (unsigned matrix = 0; matrix < in.count; ++matrix) {
      w.mask = 0xFFu << 8 * matrix;
      unsigned words = 0;
      own.sharedWaves += wavesOf(w, at, 16, words);
      own.idealSharedWaves += (words + 31) / 32;
    }
    w.mask = lanes;
    shadowShared(w, in, at, 16, pattern, false);
  }
  w.mask = all;
  if (!inside)
    return;
  const uint8_t *data = w.block->shared.data();
  for (unsigned matrix = 0; matrix < in.count; ++matrix)
    for (unsigned lane = 0; lane < Lanes; ++lane) {
      unsigned row = lane / 4, column = lane % 4 * 2;
      uint16_t low, high;
      auto element = [&](unsigned r, unsigned c) {
        uint16_t value;
        std::memcpy(&value, data + at[8 * matrix + r] + 2 * c, 2);
        return value;
      };
      low = in.flag ? element(column, row) : element(row, column);
      high = in.flag ? element(column + 1, row) : element(row, column + 1);
      w.lanes<uint32_t>(in.to[matrix])[lane] = uint32_t(high) << 16 | low;
    }
}

// --- addresses
// ------------------------------------------------------------------------------------

void moveAddress(Warp &w, const Instruction &in) {
  auto *to = w.lanes<uint64_t>(in.to[0]);
  const auto *from = w.lanes<uint64_t>(in.from[0]);
  forLanes(w, [&](unsigned i) { to[i] = from[i]; });
}
void toGenericShared(Warp &w, const Instruction &in) {
  auto *to = w.lanes<uint64_t>(in.to[0]);
  const auto *from = w.lanes<uint64_t>(in.from[0]);
  forLanes(w, [&](unsigned i) { to[i] = SharedWindow + from[i]; });
}
void fromGenericShared(Warp &w, const Instruction &in) {
  auto *to = w.lanes<uint64_t>(in.to[0]);
  const auto *from = w.lanes<uint64_t>(in.from[0]);
  forLanes(w, [&](unsigned i) { to[i] = from[i] - SharedWindow; });
}

Handler addressOf(const PtxInstruction &p) {
  if (p.has("shared"))
    return p.has("to") ? fromGenericShared : toGenericShared;
  return p.has("global") || p.has("const") || p.has("param") ? moveAddress : nullptr;
}

} // namespace

Handler findMemory(const PtxInstruction &p, Instruction &to) {
  const std::string &name = p.parts[0], &type = p.type();
  if (name == "ld" || name == "st") {
    to.bytes = uint8_t(bytesOfType(type));
    to.count = p.has("v2") ? 2 : p.has("v4") ? 4 : 1;
    to.flag = type[0] == 's';
    bool isLoad = name == "ld";
    if (p.has("param"))
      return isLoad ? loadParameter : nullptr;
    if (p.has("shared"))
      return isLoad ? loadShared : storeShared;
    if (p.has("global") || p.has("const"))
      return isLoad ? loadGlobal : storeGlobal;
    if (p.has("local"))
      return nullptr;
    return isLoad ? generic<loadSharedAt, loadGlobalAt> : generic<storeSharedAt, storeGlobalAt>;
  }
  if (name == "atom" || name == "red")
    return p.has("shared") ? atomicFor<true>(p) : p.has("global") ? atomicFor<false>(p) : nullptr;
  if (name == "cvta")
    return addressOf(p);
  if (name == "ldmatrix") {
    to.count = p.has("x4") ? 4 : p.has("x2") ? 2 : 1;
    to.flag = p.has("trans");
    return loadMatrix;
  }
  if (name == "cp" && p.has("commit_group"))
    return commitCopies;
  if (name == "cp" && (p.has("wait_group") || p.has("wait_all"))) {
    to.flag = p.has("wait_all");
    return waitCopies;
  }
  if (name == "cp" && p.has("shared") && p.operands.size() >= 3 &&
      p.operands[2].kind == PtxOperand::Number) {
    to.bytes = uint8_t(p.operands[2].bits);
    to.flag = p.operands.size() > 3;
    return copyAsync;
  }
  return nullptr;
}

} // namespace danaus::vgpu
