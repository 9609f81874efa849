// Handlers of instructions that load, store, or change memory: ld, st, atom, red; and of addresses,
// cvta.
#include "runtime/vgpu/MemoryAccess.h"

#include <algorithm>

namespace danaus::vgpu {

namespace {

// --- loads and stores ------------------------------------------------------

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

} // namespace

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

namespace {

/// The host address of a lane's access: of global memory the address itself, of shared memory
/// behind `base`.
std::byte *hostOf(uint64_t base, uint64_t at) { return reinterpret_cast<std::byte *>(base + at); }

/// From base + at[lane] to the registers of in.to.
void loadLanes(Warp &w, const Instruction &in, uint64_t base, const Addresses &at,
               const AccessShape &shape) {
  if (in.bytes != 4)
    return forEachLane(w.mask, [&](unsigned i) { loadElements(w, in, i, hostOf(base, at[i])); });
  if (shape.isRun && in.count == 1) {
    std::memcpy(w.lanes<uint32_t>(in.to[0]), hostOf(base, at[0]), 4 * Lanes);
    return;
  }
  for (unsigned e = 0; e < in.count; ++e)
    if (in.to[e] != NoRegister) {
      auto *to = w.lanes<uint32_t>(in.to[e]);
      uint64_t from = base + 4 * e;
      if (shape.isOne) {
        uint32_t value;
        std::memcpy(&value, hostOf(from, at[0]), 4);
        forLanes(w, [&](unsigned i) { to[i] = value; });
      } else {
        forLanes(w, [&](unsigned i) { std::memcpy(&to[i], hostOf(from, at[i]), 4); });
      }
    }
}
void storeLanes(Warp &w, const Instruction &in, uint64_t base, const Addresses &at,
                const AccessShape &shape) {
  if (in.bytes == 4 && shape.isRun && in.count == 1) {
    std::memcpy(hostOf(base, at[0]), w.lanes<uint32_t>(in.from[1]), 4 * Lanes);
    return;
  }
  forEachLane(w.mask, [&](unsigned i) { storeElements(w, in, i, hostOf(base, at[i])); });
}
uint64_t sharedBase(Warp &w) { return reinterpret_cast<uint64_t>(w.block->shared.data()); }

void loadGlobalAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  if (const auto *shape = accessGlobal(w, in, at, bytes, Access::Read, "a load"))
    loadLanes(w, in, 0, at, *shape);
}
void storeGlobalAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  if (const auto *shape = accessGlobal(w, in, at, bytes, Access::Write, "a store"))
    storeLanes(w, in, 0, at, *shape);
}
void loadSharedAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  if (const auto *shape = accessShared(w, in, at, bytes, Access::Read, "a load"))
    loadLanes(w, in, sharedBase(w), at, *shape);
}
void storeSharedAt(Warp &w, const Instruction &in, const Addresses &at) {
  uint32_t bytes = uint32_t(in.bytes) * in.count;
  if (const auto *shape = accessShared(w, in, at, bytes, Access::Write, "a store"))
    storeLanes(w, in, sharedBase(w), at, *shape);
}

void loadGlobal(Warp &w, const Instruction &in) { loadGlobalAt(w, in, addressesOf(w, in)); }
void storeGlobal(Warp &w, const Instruction &in) { storeGlobalAt(w, in, addressesOf(w, in)); }
void loadShared(Warp &w, const Instruction &in) { loadSharedAt(w, in, addressesOf(w, in)); }
void storeShared(Warp &w, const Instruction &in) { storeSharedAt(w, in, addressesOf(w, in)); }

/// Lanes of a generic access that lie in a window, and their addresses there.
uint32_t splitGeneric(const Warp &w, Addresses &at, uint64_t window) {
  uint32_t inside = 0;
  forEachLane(w.mask, [&](unsigned i) {
    if (at[i] - window < uint64_t(1) << 32) {
      inside |= 1u << i;
      at[i] -= window;
    }
  });
  return inside;
}

using AccessAt = void (*)(Warp &, const Instruction &, const Addresses &);

template <AccessAt sharedAt, AccessAt localAt, AccessAt globalAt>
void generic(Warp &w, const Instruction &in) {
  Addresses at = addressesOf(w, in);
  uint32_t all = w.mask, shared = splitGeneric(w, at, SharedWindow);
  w.mask = all & ~shared;
  uint32_t local = splitGeneric(w, at, LocalWindow);
  auto access = [&](uint32_t lanes, AccessAt accessAt) {
    w.mask = lanes;
    if (!lanes || w.block->stopped)
      return;
    Addresses own = at;
    spread(w, own);
    accessAt(w, in, own);
  };
  access(shared, sharedAt);
  access(local, localAt);
  access(all & ~shared & ~local, globalAt);
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

// --- atomics ---------------------------------------------------------------

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
  if (!(isShared ? accessShared(w, in, at, sizeof(T), Access::Write, "an atomic")
                 : accessGlobal(w, in, at, sizeof(T), Access::Atomic, "an atomic")))
    return;
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

// --- addresses -------------------------------------------------------------

void moveAddress(Warp &w, const Instruction &in) {
  auto *to = w.lanes<uint64_t>(in.to[0]);
  const auto *from = w.lanes<uint64_t>(in.from[0]);
  forLanes(w, [&](unsigned i) { to[i] = from[i]; });
}
template <uint64_t window> void toGeneric(Warp &w, const Instruction &in) {
  auto *to = w.lanes<uint64_t>(in.to[0]);
  const auto *from = w.lanes<uint64_t>(in.from[0]);
  forLanes(w, [&](unsigned i) { to[i] = window + from[i]; });
}
template <uint64_t window> void fromGeneric(Warp &w, const Instruction &in) {
  auto *to = w.lanes<uint64_t>(in.to[0]);
  const auto *from = w.lanes<uint64_t>(in.from[0]);
  forLanes(w, [&](unsigned i) { to[i] = from[i] - window; });
}

Handler addressOf(const PtxInstruction &p) {
  if (p.has("shared"))
    return p.has("to") ? fromGeneric<SharedWindow> : toGeneric<SharedWindow>;
  if (p.has("local"))
    return p.has("to") ? fromGeneric<LocalWindow> : toGeneric<LocalWindow>;
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
      return isLoad ? loadLocal : storeLocal;
    return isLoad ? generic<loadSharedAt, loadLocalAt, loadGlobalAt>
                  : generic<storeSharedAt, storeLocalAt, storeGlobalAt>;
  }
  if (name == "atom" || name == "red")
    return p.has("shared") ? atomicFor<true>(p) : p.has("global") ? atomicFor<false>(p) : nullptr;
  if (name == "cvta")
    return addressOf(p);
  return nullptr;
}

} // namespace danaus::vgpu
