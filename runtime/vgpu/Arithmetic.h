// Loops over lanes for instructions that compute, and the handlers' finders by family. Private to
// the engine.
#pragma once

#include "runtime/vgpu/Warp.h"

namespace danaus::vgpu {

/// Lanes hold values of at least 32 bits; narrower ones are in the low bits.
template <typename T> using LaneOf = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <typename T> inline T get(const LaneOf<T> *lanes, unsigned i) {
  if constexpr (std::is_floating_point_v<T>)
    return std::bit_cast<T>(lanes[i]);
  else
    return T(lanes[i]);
}
template <typename T> inline LaneOf<T> put(T value) {
  if constexpr (std::is_floating_point_v<T>)
    return std::bit_cast<LaneOf<T>>(value);
  else
    return LaneOf<T>(std::make_unsigned_t<T>(value));
}

template <typename To, typename A, auto F> void unary(Warp &w, const Instruction &in) {
  auto *to = w.lanes<LaneOf<To>>(in.to[0]);
  const auto *a = w.lanes<LaneOf<A>>(in.from[0]);
  forLanes(w, [&](unsigned i) { to[i] = put<To>(F(get<A>(a, i))); });
}
template <typename To, typename A, typename B, auto F> void binary(Warp &w, const Instruction &in) {
  auto *to = w.lanes<LaneOf<To>>(in.to[0]);
  const auto *a = w.lanes<LaneOf<A>>(in.from[0]);
  const auto *b = w.lanes<LaneOf<B>>(in.from[1]);
  forLanes(w, [&](unsigned i) { to[i] = put<To>(F(get<A>(a, i), get<B>(b, i))); });
}
template <typename To, typename A, typename C, auto F>
void ternary(Warp &w, const Instruction &in) {
  auto *to = w.lanes<LaneOf<To>>(in.to[0]);
  const auto *a = w.lanes<LaneOf<A>>(in.from[0]);
  const auto *b = w.lanes<LaneOf<A>>(in.from[1]);
  const auto *c = w.lanes<LaneOf<C>>(in.from[2]);
  forLanes(w, [&](unsigned i) { to[i] = put<To>(F(get<A>(a, i), get<A>(b, i), get<C>(c, i))); });
}

/// A float operation counts for the launch.
template <Handler inner, int flops> void counted(Warp &w, const Instruction &in) {
  inner(w, in);
  w.block->totals->floatFlops += uint64_t(flops) * unsigned(std::popcount(w.mask));
}

/// The handlers of one family, or null; `to` gets what depends on the opcode.
Handler findInteger(const PtxInstruction &p, Instruction &to);
Handler findFloat(const PtxInstruction &p);
Handler findConversion(const PtxInstruction &p, Instruction &to);

template <typename F> Handler byType(const std::string &type, F f) {
  return type == "u16"   ? f(uint16_t())
         : type == "s16" ? f(int16_t())
         : type == "u32" ? f(uint32_t())
         : type == "s32" ? f(int32_t())
         : type == "u64" ? f(uint64_t())
         : type == "s64" ? f(int64_t())
                         : nullptr;
}

} // namespace danaus::vgpu
