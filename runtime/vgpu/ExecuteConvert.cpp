// Handlers of conversions between types, and of values that are taken apart or put together.
#include "runtime/vgpu/Arithmetic.h"

#include <cfenv>
#include <cmath>
#include <limits>

namespace danaus::vgpu {

namespace {

template <typename T> T saturated(T value) {
  return !(value > 0) ? T(0) : value < 1 ? value : T(1);
}

/// To an integer: rounded as asked, clamped to its range, NaN to 0.
template <typename To, typename From, int mode> To toInteger(From value) {
  if (value != value)
    return To(0);
  From whole = mode == FE_TOWARDZERO ? std::trunc(value)
               : mode == FE_DOWNWARD ? std::floor(value)
               : mode == FE_UPWARD   ? std::ceil(value)
                                     : std::nearbyint(value);
  constexpr From least = From(std::numeric_limits<To>::min());
  constexpr From beyond = From(std::numeric_limits<To>::max() / 2 + 1) * 2;
  return whole < least     ? std::numeric_limits<To>::min()
         : whole >= beyond ? std::numeric_limits<To>::max()
                           : To(whole);
}

template <typename To, typename From> Handler convertOf(const PtxInstruction &p) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return p.has("rzi")
               ? unary<To, From, [](From a) { return toInteger<To, From, FE_TOWARDZERO>(a); }>
           : p.has("rmi")
               ? unary<To, From, [](From a) { return toInteger<To, From, FE_DOWNWARD>(a); }>
           : p.has("rpi")
               ? unary<To, From, [](From a) { return toInteger<To, From, FE_UPWARD>(a); }>
               : unary<To, From, [](From a) { return toInteger<To, From, FE_TONEAREST>(a); }>;
  } else if constexpr (std::is_floating_point_v<From> && std::is_same_v<From, To>) {
    return p.has("rni")   ? unary<To, From, [](From a) { return std::nearbyint(a); }>
           : p.has("rzi") ? unary<To, From, [](From a) { return std::trunc(a); }>
           : p.has("rmi") ? unary<To, From, [](From a) { return std::floor(a); }>
           : p.has("rpi") ? unary<To, From, [](From a) { return std::ceil(a); }>
           : p.has("sat") ? unary<To, From, [](From a) { return saturated(a); }>
                          : unary<To, From, [](From a) { return a; }>;
  } else {
    return unary<To, From, [](From a) { return To(a); }>;
  }
}

template <typename To> Handler convertTo(const PtxInstruction &p) {
  const std::string &from = p.type();
  return from == "u8"    ? convertOf<To, uint8_t>(p)
         : from == "s8"  ? convertOf<To, int8_t>(p)
         : from == "u16" ? convertOf<To, uint16_t>(p)
         : from == "s16" ? convertOf<To, int16_t>(p)
         : from == "u32" ? convertOf<To, uint32_t>(p)
         : from == "s32" ? convertOf<To, int32_t>(p)
         : from == "u64" ? convertOf<To, uint64_t>(p)
         : from == "s64" ? convertOf<To, int64_t>(p)
         : from == "f32" ? convertOf<To, float>(p)
         : from == "f64" ? convertOf<To, double>(p)
                         : nullptr;
}

uint16_t toBf16(float value) {
  uint32_t word = std::bit_cast<uint32_t>(value);
  return value != value ? 0x7FFF : uint16_t((word + 0x7FFF + (word >> 16 & 1)) >> 16);
}
uint16_t toHalf(float value) { return std::bit_cast<uint16_t>(_Float16(value)); }
float fromHalf(uint16_t bits) { return float(std::bit_cast<_Float16>(bits)); }

Handler convert(const PtxInstruction &p) {
  const std::string &to = p.parts[p.parts.size() - 2], &from = p.type();
  if (to == "bf16" && from == "f32")
    return unary<uint16_t, float, [](float a) { return toBf16(a); }>;
  if (to == "f16" && from == "f32")
    return unary<uint16_t, float, [](float a) { return toHalf(a); }>;
  if (to == "f32" && from == "f16")
    return unary<float, uint16_t, [](uint16_t a) { return fromHalf(a); }>;
  if (to == "f32" && from == "bf16")
    return unary<float, uint16_t,
                 [](uint16_t a) { return std::bit_cast<float>(uint32_t(a) << 16); }>;
  if (to == "bf16x2" && from == "f32") // the first source goes to the upper half
    return binary<uint32_t, float, float,
                  [](float a, float b) { return uint32_t(toBf16(a)) << 16 | toBf16(b); }>;
  if (to == "f16x2" && from == "f32")
    return binary<uint32_t, float, float,
                  [](float a, float b) { return uint32_t(toHalf(a)) << 16 | toHalf(b); }>;
  if (to == "tf32" && from == "f32")
    return unary<uint32_t, uint32_t, [](uint32_t a) {
      return (a & 0x7F800000) == 0x7F800000 ? a : (a + 0x1000) & ~0x1FFFu;
    }>;
  return to == "u8"    ? convertTo<uint8_t>(p)
         : to == "s8"  ? convertTo<int8_t>(p)
         : to == "u16" ? convertTo<uint16_t>(p)
         : to == "s16" ? convertTo<int16_t>(p)
         : to == "u32" ? convertTo<uint32_t>(p)
         : to == "s32" ? convertTo<int32_t>(p)
         : to == "u64" ? convertTo<uint64_t>(p)
         : to == "s64" ? convertTo<int64_t>(p)
         : to == "f32" ? convertTo<float>(p)
         : to == "f64" ? convertTo<double>(p)
                       : nullptr;
}

/// A value of two or four parts into one register, or the other way round: mov.b32 {a, b}, c.
void pack(Warp &w, const Instruction &in) { // count parts of `bytes` bytes
  forLanes(w, [&](unsigned i) {
    uint64_t value = 0;
    for (unsigned part = 0; part < in.count; ++part)
      value |= uint64_t(w.lanes<uint32_t>(in.from[part])[i]) << (8 * in.bytes * part);
    if (in.bytes * in.count == 8)
      w.lanes<uint64_t>(in.to[0])[i] = value;
    else
      w.lanes<uint32_t>(in.to[0])[i] = uint32_t(value);
  });
}
void unpack(Warp &w, const Instruction &in) {
  forLanes(w, [&](unsigned i) {
    uint64_t value = in.bytes * in.count == 8 ? w.lanes<uint64_t>(in.from[0])[i]
                                              : w.lanes<uint32_t>(in.from[0])[i];
    for (unsigned part = 0; part < in.count; ++part)
      if (in.to[part] != NoRegister)
        w.lanes<uint32_t>(in.to[part])[i] =
            uint32_t(value >> (8 * in.bytes * part)) & (in.bytes == 2 ? 0xFFFFu : 0xFFFFFFFFu);
  });
}

Handler move(const PtxInstruction &p, Instruction &to) {
  for (unsigned side : {0u, 1u})
    if (p.operands[side].kind == PtxOperand::Vector) {
      to.count = uint8_t(p.operands[side].elements.size());
      to.bytes = uint8_t(bytesOfType(p.type()) / to.count);
      return side == 0 ? unpack : pack;
    }
  return nullptr;
}

} // namespace

Handler findConversion(const PtxInstruction &p, Instruction &to) {
  if (p.parts[0] == "mov" && p.operands.size() == 2)
    return move(p, to);
  return p.parts[0] == "cvt" ? convert(p) : nullptr;
}

} // namespace danaus::vgpu
