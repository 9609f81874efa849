// Handlers of instructions that touch memory, with their checks and counters: ld, st, atom, red,
// cp.async, ldmatrix, cvta.
#include "runtime/vgpu/Warp.h"

#include <algorithm>
#include <array>

namespace danaus::vgpu {

namespace {

using Addresses = std::array<uint64_t, Lanes>;

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
  return at;
}

// --- counters -------------------------------------------------------------------------------------

/// The number of different values of address / unit, and of bytes, over lanes that access `bytes` each.
unsigned differentUnits(const Warp &w, const Addresses &at, uint32_t bytes, unsigned unit) {
  std::array<uint64_t, 2 * Lanes> seen;
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

/// Bytes that the lanes ask for, each counted once.
unsigned differentBytes(const Warp &w, const Addresses &at, uint32_t bytes) {
  return differentUnits(w, at, bytes, bytes) * bytes;
}

void countGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes) {
  InstructionCounters &own = w.block->countersOf(in);
  unsigned sectors = differentUnits(w, at, bytes, 32);
  unsigned ideal = (differentBytes(w, at, bytes) + 31) / 32;
  ++own.requests;
  own.sectors += sectors;
  own.idealSectors += ideal;
}

/// Wavefronts: what the fullest of 32 banks of 4 bytes has to give, different words one after another.
unsigned wavesOf(const Warp &w, const Addresses &at, uint32_t bytes) {
  std::array<uint64_t, 4 * Lanes> words;
  unsigned count = 0;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    unsigned i = unsigned(std::countr_zero(left));
    for (uint64_t word = at[i] / 4; word <= (at[i] + bytes - 1) / 4 && count < words.size(); ++word)
      words[count++] = word;
  }
  if (!std::is_sorted(words.begin(), words.begin() + count))
    std::sort(words.begin(), words.begin() + count);
  unsigned used[32] = {}, waves = 0;
  for (unsigned i = 0; i < count; ++i)
    if (i == 0 || words[i] != words[i - 1])
      waves = std::max(waves, ++used[words[i] % 32]);
  return waves;
}

void countShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes) {
  InstructionCounters &own = w.block->countersOf(in);
  own.sharedWaves += wavesOf(w, at, bytes);
  own.idealSharedWaves += (differentUnits(w, at, bytes, 4) * 4 + 127) / 128;
}

// --- checks ---------------------------------------------------------------------------------------

/// Lanes whose access is aligned and inside; a finding for the others stops the launch.
bool checkGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes, const char *what) {
  Memory::State &memory = *w.block->memory;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    if (at[size_t(i)] % bytes != 0) {
      w.block->fail(FindingKind::Misaligned, w, in, i,
                    format("%s of %u bytes at ", what, bytes) + memory.describe(at[size_t(i)]));
      return false;
    }
    if (!memory.contains(at[size_t(i)], bytes)) {
      w.block->fail(FindingKind::OutOfBounds, w, in, i,
                    format("%s of %u bytes at ", what, bytes) + memory.describe(at[size_t(i)]));
      return false;
    }
  }
  return true;
}

enum class Access { Read, Write, Atomic };

void shadowGlobal(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes, Access access) {
  BlockRun &block = *w.block;
  Memory::State &memory = *block.memory;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    uint64_t address = at[size_t(i)];
    uint32_t other = 0;
    auto conflict = Memory::State::Conflict::None;
    if (access == Access::Read)
      conflict = memory.read(address, bytes, block.index, other, block.totals->uniqueReadBytes);
    else
      // Atomics of different blocks do not race with each other.
      conflict = memory.write(address, bytes, access == Access::Atomic ? ~1u : block.index, other,
                              block.totals->uniqueWrittenBytes);
    if (conflict == Memory::State::Conflict::None)
      continue;
    if (conflict == Memory::State::Conflict::Unwritten)
      block.report(FindingKind::Uninitialised, w, in, i, "reads what nobody has written: " + memory.describe(address));
    else
      block.report(FindingKind::GlobalRace, w, in, i,
                   std::string(access == Access::Read ? "reads" : "writes") + " what " +
                       memory.nameOf(other == block.index ? memory.operation : memory.operation, other) +
                       (conflict == Memory::State::Conflict::Read ? " reads" : " writes") +
                       " in the same launch, or without an order between the two: " + memory.describe(address));
    return; // one finding an instruction
  }
}

bool checkShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes, const char *what) {
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    uint64_t address = at[size_t(i)];
    if (address % bytes != 0) {
      w.block->fail(FindingKind::Misaligned, w, in, i, format("%s of %u bytes at shared address %llu", what, bytes, (unsigned long long)address));
      return false;
    }
    if (address + bytes > w.block->shared.size()) {
      w.block->fail(FindingKind::OutOfBounds, w, in, i,
                    format("%s of %u bytes at shared address %llu, and the block has %u bytes", what,
                           bytes, (unsigned long long)address, w.block->shared.size()));
      return false;
    }
  }
  return true;
}

void reportShared(Warp &w, const Instruction &in, int lane, SharedMemory::Conflict conflict,
                  uint32_t other, uint64_t address, bool isWrite) {
  using C = SharedMemory::Conflict;
  std::string place = format("shared address %llu", (unsigned long long)address);
  std::string who = other >= 0xFFFE ? "other warps" : format("warp %u", other);
  if (conflict == C::Unwritten)
    w.block->report(FindingKind::Uninitialised, w, in, lane, "reads what nobody has written: " + place);
  else if (conflict == C::Pending)
    w.block->report(FindingKind::PendingAsyncCopy, w, in, lane,
                    std::string(isWrite ? "writes" : "reads") + " what cp.async is still copying (no wait before it): " + place);
  else if (conflict == C::Race)
    w.block->report(FindingKind::SharedRace, w, in, lane,
                    std::string(isWrite ? "writes" : "reads") + " what " + who +
                        " uses, without a barrier between the two: " + place);
}

void shadowShared(Warp &w, const Instruction &in, const Addresses &at, uint32_t bytes, bool isWrite) {
  SharedMemory &shared = w.block->shared;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    uint32_t other = 0, offset = uint32_t(at[size_t(i)]);
    auto conflict = isWrite ? shared.write(offset, bytes, uint16_t(w.number), other)
                            : shared.read(offset, bytes, uint16_t(w.number), other);
    if (conflict != SharedMemory::Conflict::None)
      return reportShared(w, in, i, conflict, other, offset, isWrite);
  }
}

// --- loads and stores -----------------------------------------------------------------------------

template <typename T> void putLane(Warp &w, uint32_t word, unsigned lane, const void *from, bool isSigned) {
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

void loadGlobalAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  if (!checkGlobal(w, in, at, bytes, "a load"))
    return;
  countGlobal(w, in, at, bytes);
  shadowGlobal(w, in, at, bytes, Access::Read);
  forEachLane(w.mask, [&](unsigned i) { loadElements(w, in, i, reinterpret_cast<const std::byte *>(at[i])); });
}
void storeGlobalAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  if (!checkGlobal(w, in, at, bytes, "a store"))
    return;
  countGlobal(w, in, at, bytes);
  shadowGlobal(w, in, at, bytes, Access::Write);
  forEachLane(w.mask, [&](unsigned i) { storeElements(w, in, i, reinterpret_cast<std::byte *>(at[i])); });
}
void loadSharedAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  if (!checkShared(w, in, at, bytes, "a load"))
    return;
  countShared(w, in, at, bytes);
  shadowShared(w, in, at, bytes, false);
  const auto *data = reinterpret_cast<const std::byte *>(w.block->shared.data());
  forEachLane(w.mask, [&](unsigned i) { loadElements(w, in, i, data + at[i]); });
}
void storeSharedAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  if (!checkShared(w, in, at, bytes, "a store"))
    return;
  countShared(w, in, at, bytes);
  shadowShared(w, in, at, bytes, true);
  auto *data = reinterpret_cast<std::byte *>(w.block->shared.data());
  forEachLane(w.mask, [&](unsigned i) { storeElements(w, in, i, data + at[i]); });
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
  if ((w.mask = all & shared))
    sharedAt(w, in, at);
  if ((w.mask = all & ~shared) && !w.block->stopped)
    globalAt(w, in, at);
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

// --- atomics --------------------------------------------------------------------------------------

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
      return operation == Operation::And ? T(old & a) : operation == Operation::Or ? T(old | a) : T(old ^ a);
    return old;
  }
}

/// Lane after lane; the old value goes to to[0] where there is one.
template <typename T, Operation operation, bool isShared> void atomic(Warp &w, const Instruction &in) {
  Addresses at = addressesOf(w, in);
  if constexpr (isShared) {
    if (!checkShared(w, in, at, sizeof(T), "an atomic"))
      return;
    countShared(w, in, at, sizeof(T));
    shadowShared(w, in, at, sizeof(T), true);
  } else {
    if (!checkGlobal(w, in, at, sizeof(T), "an atomic"))
      return;
    countGlobal(w, in, at, sizeof(T));
    shadowGlobal(w, in, at, sizeof(T), Access::Atomic);
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
  return type == "f32"                    ? atomicOf<float, isShared>(p)
         : type == "f64"                  ? atomicOf<double, isShared>(p)
         : type == "s32"                  ? atomicOf<int32_t, isShared>(p)
         : type == "s64"                  ? atomicOf<int64_t, isShared>(p)
         : bytesOfType(type) == 8 ? atomicOf<uint64_t, isShared>(p)
         : bytesOfType(type) == 4 ? atomicOf<uint32_t, isShared>(p)
                                  : nullptr;
}

// --- cp.async -------------------------------------------------------------------------------------

/// cp.async [to], [from], bytes{, size}: lands at the wait; until then what it will write is nobody's.
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
    copy.size[i] = in.flag ? std::min<uint32_t>(w.lanes<uint32_t>(in.from[3])[i], in.bytes) : in.bytes;
  }
  if (!checkShared(w, in, to, in.bytes, "cp.async"))
    return;
  countShared(w, in, to, in.bytes);
  uint32_t all = w.mask;
  for (unsigned i = 0; i < Lanes; ++i)
    if (copy.size[i] == 0)
      w.mask &= ~(1u << i);
  if (w.mask && checkGlobal(w, in, from, in.bytes, "cp.async")) {
    countGlobal(w, in, from, in.bytes);
    shadowGlobal(w, in, from, in.bytes, Access::Read);
  }
  w.mask = all;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    int i = firstLane(left);
    uint32_t other = 0;
    auto conflict = w.block->shared.startCopy(copy.to[i], in.bytes, uint16_t(w.number), other);
    if (conflict != SharedMemory::Conflict::None) {
      reportShared(w, in, i, conflict, other, copy.to[i], true);
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
      std::memcpy(shared.data() + copy.to[i], reinterpret_cast<const void *>(copy.from[i]), copy.size[i]);
    std::memset(shared.data() + copy.to[i] + copy.size[i], 0, copy.bytes - copy.size[i]);
    uint32_t other = 0;
    auto conflict = shared.finishCopy(copy.to[i], copy.bytes, uint16_t(w.number), other);
    if (conflict != SharedMemory::Conflict::None)
      reportShared(w, *copy.instruction, i, conflict, other, copy.to[i], true);
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

// --- ldmatrix -------------------------------------------------------------------------------------

/// Matrices of 8 rows of 16 bytes; lane 8 i + r has the address of row r of matrix i. flag: transposed.
void loadMatrix(Warp &w, const Instruction &in) {
  Addresses at = addressesOf(w, in);
  uint32_t all = w.mask;
  w.mask = in.count == 4 ? all : (1u << 8 * in.count) - 1;
  bool inside = checkShared(w, in, at, 16, "ldmatrix");
  if (inside) {
    // Each matrix is a wavefront where its rows lie in different banks.
    InstructionCounters &own = w.block->countersOf(in);
    uint32_t lanes = w.mask;
    for (unsigned matrix = 0; matrix < in.count; ++matrix) {
      w.mask = 0xFFu << 8 * matrix;
      own.sharedWaves += wavesOf(w, at, 16);
      own.idealSharedWaves += (differentUnits(w, at, 16, 4) * 4 + 127) / 128;
    }
    w.mask = lanes;
    shadowShared(w, in, at, 16, false);
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

// --- addresses ------------------------------------------------------------------------------------

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
  if (name == "cp" && p.has("shared") && p.operands.size() >= 3 && p.operands[2].kind == PtxOperand::Number) {
    to.bytes = uint8_t(p.operands[2].bits);
    to.flag = p.operands.size() > 3;
    return copyAsync;
  }
  return nullptr;
}

} // namespace danaus::vgpu
