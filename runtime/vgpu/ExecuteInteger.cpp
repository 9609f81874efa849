// Handlers of integers and of bits.
#include "runtime/vgpu/Arithmetic.h"

#include <algorithm>

namespace danaus::vgpu {

namespace {

template <typename T>
using Wide = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

template <typename T> using Bits = std::make_unsigned_t<T>;

template <typename T> Handler integerOf(const PtxInstruction &p) {
  using U = Bits<T>;
  const std::string &name = p.parts[0];
  if (name == "add")
    return binary<T, T, T, [](T a, T b) { return T(U(U(a) + U(b))); }>;
  if (name == "sub")
    return binary<T, T, T, [](T a, T b) { return T(U(U(a) - U(b))); }>;
  if (name == "mul" && p.has("lo"))
    return binary<T, T, T, [](T a, T b) { return T(U(Wide<U>(U(a)) * Wide<U>(U(b)))); }>;
  if (name == "mul" && p.has("hi"))
    return binary<T, T, T,
                  [](T a, T b) { return T((Wide<T>(a) * Wide<T>(b)) >> (8 * sizeof(T))); }>;
  if (name == "mad" && p.has("lo"))
    return ternary<T, T, T,
                   [](T a, T b, T c) { return T(U(Wide<U>(U(a)) * Wide<U>(U(b)) + U(c))); }>;
  if (name == "mad" && p.has("hi"))
    return ternary<T, T, T, [](T a, T b, T c) {
      return T(U(U((Wide<T>(a) * Wide<T>(b)) >> (8 * sizeof(T))) + U(c)));
    }>;
  if constexpr (sizeof(T) < 8) {
    if (name == "mul" && p.has("wide"))
      return binary<Wide<T>, T, T, [](T a, T b) { return Wide<T>(Wide<T>(a) * Wide<T>(b)); }>;
    if (name == "mad" && p.has("wide"))
      return ternary<Wide<T>, T, Wide<T>, [](T a, T b, Wide<T> c) {
        using W = Bits<Wide<T>>;
        return Wide<T>(W(W(Wide<T>(a) * Wide<T>(b)) + W(c)));
      }>;
  }
  // Division by zero gives all ones, as GPUs do.
  if (name == "div")
    return binary<T, T, T, [](T a, T b) {
      return b == 0 ? T(-1) : b == T(-1) ? T(U(0) - U(a)) : T(a / b);
    }>;
  if (name == "rem")
    return binary<T, T, T, [](T a, T b) {
      return b == 0 ? a : b == T(-1) && std::is_signed_v<T> ? T(0) : T(a % b);
    }>;
  if (name == "min")
    return binary<T, T, T, [](T a, T b) { return std::min(a, b); }>;
  if (name == "max")
    return binary<T, T, T, [](T a, T b) { return std::max(a, b); }>;
  if (name == "abs")
    return unary<T, T, [](T a) { return a < 0 ? T(U(0) - U(a)) : a; }>;
  if (name == "neg")
    return unary<T, T, [](T a) { return T(U(0) - U(a)); }>;
  if (name == "shr") // distances beyond the width shift all out
    return binary<T, T, uint32_t, [](T a, uint32_t b) {
      unsigned width = 8 * sizeof(T);
      return b >= width ? T(a < 0 ? -1 : 0) : T(a >> b);
    }>;
  return nullptr;
}

uint32_t reversed(uint32_t bits) {
  uint32_t result = 0;
  for (int i = 0; i < 32; ++i, bits >>= 1)
    result = result << 1 | (bits & 1);
  return result;
}

template <typename U> Handler bitsOf(const PtxInstruction &p) {
  const std::string &name = p.parts[0];
  if (name == "and")
    return binary<U, U, U, [](U a, U b) { return U(a & b); }>;
  if (name == "or")
    return binary<U, U, U, [](U a, U b) { return U(a | b); }>;
  if (name == "xor")
    return binary<U, U, U, [](U a, U b) { return U(a ^ b); }>;
  if (name == "not")
    return unary<U, U, [](U a) { return U(~a); }>;
  if (name == "shl")
    return binary<U, U, uint32_t,
                  [](U a, uint32_t b) { return b >= 8 * sizeof(U) ? U(0) : U(a << b); }>;
  if (name == "shr")
    return binary<U, U, uint32_t,
                  [](U a, uint32_t b) { return b >= 8 * sizeof(U) ? U(0) : U(a >> b); }>;
  if (name == "mov")
    return unary<U, U, [](U a) { return a; }>;
  if (name == "brev" && sizeof(U) == 4)
    return unary<U, U, [](U a) { return U(reversed(uint32_t(a))); }>;
  if (name == "clz")
    return unary<uint32_t, U, [](U a) { return uint32_t(std::countl_zero(a)); }>;
  if (name == "popc")
    return unary<uint32_t, U, [](U a) { return uint32_t(std::popcount(a)); }>;
  return nullptr;
}

void bitInsert(Warp &w, const Instruction &in) { // bfi.b32
  auto *to = w.lanes<uint32_t>(in.to[0]);
  const auto *a = w.lanes<uint32_t>(in.from[0]), *b = w.lanes<uint32_t>(in.from[1]),
             *position = w.lanes<uint32_t>(in.from[2]), *length = w.lanes<uint32_t>(in.from[3]);
  forLanes(w, [&](unsigned i) {
    uint32_t at = position[i] & 0xFF, count = length[i] & 0xFF;
    uint32_t ones = count >= 32 ? ~0u : (1u << count) - 1;
    uint32_t field = at >= 32 ? 0 : ones << at;
    to[i] = (b[i] & ~field) | (at >= 32 ? 0 : (a[i] << at) & field);
  });
}

void bitExtract(Warp &w, const Instruction &in) { // bfe.u32, bfe.s32
  auto *to = w.lanes<uint32_t>(in.to[0]);
  const auto *a = w.lanes<uint32_t>(in.from[0]), *position = w.lanes<uint32_t>(in.from[1]),
             *length = w.lanes<uint32_t>(in.from[2]);
  forLanes(w, [&](unsigned i) {
    uint32_t at = position[i] & 0xFF, count = length[i] & 0xFF;
    int64_t wide = in.flag ? int64_t(int32_t(a[i])) : int64_t(a[i]);
    uint64_t field = at >= 32 ? (wide < 0 ? ~uint64_t(0) : 0) : uint64_t(wide >> at);
    uint64_t ones = count >= 32 ? 0xFFFFFFFFu : (uint64_t(1) << count) - 1;
    uint64_t value = field & ones;
    if (in.flag && count > 0 && count < 32 && (value >> (count - 1) & 1))
      value |= ~ones;
    to[i] = uint32_t(value);
  });
}

void permuteBytes(Warp &w, const Instruction &in) { // prmt.b32, default mode
  auto *to = w.lanes<uint32_t>(in.to[0]);
  const auto *a = w.lanes<uint32_t>(in.from[0]), *b = w.lanes<uint32_t>(in.from[1]),
             *selector = w.lanes<uint32_t>(in.from[2]);
  forLanes(w, [&](unsigned i) {
    uint64_t bytes = uint64_t(b[i]) << 32 | a[i];
    uint32_t result = 0;
    for (unsigned byte = 0; byte < 4; ++byte) {
      uint32_t pick = selector[i] >> (4 * byte);
      uint8_t value = uint8_t(bytes >> (8 * (pick & 7)));
      if (pick & 8)
        value = value & 0x80 ? 0xFF : 0;
      result |= uint32_t(value) << (8 * byte);
    }
    to[i] = result;
  });
}

void funnelShift(Warp &w, const Instruction &in) { // shf.l/r.wrap/clamp.b32; flag: left
  auto *to = w.lanes<uint32_t>(in.to[0]);
  const auto *a = w.lanes<uint32_t>(in.from[0]), *b = w.lanes<uint32_t>(in.from[1]),
             *distance = w.lanes<uint32_t>(in.from[2]);
  forLanes(w, [&](unsigned i) {
    uint64_t both = uint64_t(b[i]) << 32 | a[i];
    uint32_t n = in.count ? distance[i] & 31 : std::min(distance[i], 32u);
    to[i] = in.flag ? uint32_t(both << n >> 32) : uint32_t(both >> n);
  });
}

} // namespace

Handler findInteger(const PtxInstruction &p, Instruction &to) {
  const std::string &name = p.parts[0], &type = p.type();
  if (name == "bfi" && type == "b32")
    return bitInsert;
  if (name == "bfe" && bytesOfType(type) == 4) {
    to.flag = type == "s32";
    return bitExtract;
  }
  if (name == "prmt" && p.parts.size() == 2)
    return permuteBytes;
  if (name == "shf") {
    to.flag = p.has("l");
    to.count = p.has("wrap");
    return funnelShift;
  }
  if (Handler found = byType(type, [&]<typename T>(T) { return integerOf<T>(p); }))
    return found;
  unsigned bytes = bytesOfType(type);
  return bytes == 8   ? bitsOf<uint64_t>(p)
         : bytes == 4 ? bitsOf<uint32_t>(p)
         : bytes == 2 ? bitsOf<uint16_t>(p)
                      : nullptr;
}

} // namespace danaus::vgpu
