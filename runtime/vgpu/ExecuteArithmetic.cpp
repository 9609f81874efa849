// Handlers of instructions that compute: integers, floats, predicates, conversions. The results of
// approximate functions (ex2, lg2, rsqrt, ...) are those of the C library, rounded to float32: a
// real GPU's may differ in the last bits.
#include "runtime/vgpu/Warp.h"

#include <cfenv>
#include <cmath>

namespace danaus::vgpu {

namespace {

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

// --- integers
// -------------------------------------------------------------------------------------

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
    return binary<T, T, T, [](T a, T b) { return a < b ? a : b; }>;
  if (name == "max")
    return binary<T, T, T, [](T a, T b) { return a > b ? a : b; }>;
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
    return unary<U, U, [](U a) { return U(__builtin_bitreverse32(uint32_t(a))); }>;
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

// --- floats
// ---------------------------------------------------------------------------------------

/// `f` with the machine's rounding set; only for the rare directed forms.
template <typename T, int mode, typename F> T rounded(F f) {
  int before = std::fegetround();
  std::fesetround(mode);
  volatile T result = f();
  std::fesetround(before);
  return result;
}

template <typename T> T flushed(T value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(T(0), value) : value;
}
template <typename T> T saturated(T value) {
  return !(value > 0) ? T(0) : value < 1 ? value : T(1);
}

template <typename T> T minimumOf(T a, T b) {
  return a != a ? b : b != b ? a : a < b || (a == b && std::signbit(a)) ? a : b;
}
template <typename T> T maximumOf(T a, T b) {
  return a != a ? b : b != b ? a : a > b || (a == b && !std::signbit(a)) ? a : b;
}

template <typename T> Handler floatOf(const PtxInstruction &p) {
  const std::string &name = p.parts[0];
  bool down = p.has("rm"), up = p.has("rp"), zero = p.has("rz"), directed = down || up || zero;
  if (directed && name == "fma")
    return down ? ternary<T, T, T,
                          [](T a, T b, T c) {
                            return rounded<T, FE_DOWNWARD>([&] {
                              volatile T x = a;
                              return std::fma(T(x), b, c);
                            });
                          }>
           : up ? ternary<T, T, T,
                          [](T a, T b, T c) {
                            return rounded<T, FE_UPWARD>([&] {
                              volatile T x = a;
                              return std::fma(T(x), b, c);
                            });
                          }>
                : ternary<T, T, T, [](T a, T b, T c) {
                    return rounded<T, FE_TOWARDZERO>([&] {
                      volatile T x = a;
                      return std::fma(T(x), b, c);
                    });
                  }>;
  if (directed)
    return nullptr;
  if (name == "add")
    return counted<binary<T, T, T, [](T a, T b) { return a + b; }>, 1>;
  if (name == "sub")
    return counted<binary<T, T, T, [](T a, T b) { return a - b; }>, 1>;
  if (name == "mul")
    return counted<binary<T, T, T, [](T a, T b) { return a * b; }>, 1>;
  if (name == "fma" || name == "mad")
    return counted<ternary<T, T, T, [](T a, T b, T c) { return std::fma(a, b, c); }>, 2>;
  if (name == "div")
    return counted<binary<T, T, T, [](T a, T b) { return a / b; }>, 1>;
  if (name == "rcp")
    return counted<unary<T, T, [](T a) { return T(1) / a; }>, 1>;
  if (name == "sqrt")
    return counted<unary<T, T, [](T a) { return std::sqrt(a); }>, 1>;
  if (name == "rsqrt")
    return counted<unary<T, T, [](T a) { return T(1 / std::sqrt(double(a))); }>, 1>;
  if (name == "ex2")
    return counted<unary<T, T, [](T a) { return flushed(T(std::exp2(double(a)))); }>, 1>;
  if (name == "lg2")
    return counted<unary<T, T, [](T a) { return T(std::log2(double(a))); }>, 1>;
  if (name == "sin")
    return counted<unary<T, T, [](T a) { return T(std::sin(double(a))); }>, 1>;
  if (name == "cos")
    return counted<unary<T, T, [](T a) { return T(std::cos(double(a))); }>, 1>;
  if (name == "tanh")
    return counted<unary<T, T, [](T a) { return T(std::tanh(double(a))); }>, 1>;
  if (name == "min")
    return binary<T, T, T, [](T a, T b) { return minimumOf(a, b); }>;
  if (name == "max")
    return binary<T, T, T, [](T a, T b) { return maximumOf(a, b); }>;
  if (name == "abs")
    return unary<T, T, [](T a) { return std::fabs(a); }>;
  if (name == "neg")
    return unary<T, T, [](T a) { return -a; }>;
  if (name == "copysign")
    return binary<T, T, T, [](T a, T b) { return std::copysign(b, a); }>;
  return nullptr;
}

// --- predicates
// -----------------------------------------------------------------------------------

enum class Compare { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };

template <typename T, Compare how> bool compares(T a, T b) {
  bool unordered = a != a || b != b;
  switch (how) {
  case Compare::Eq:
    return a == b;
  case Compare::Ne:
    return a != b && !unordered;
  case Compare::Lt:
    return a < b;
  case Compare::Le:
    return a <= b;
  case Compare::Gt:
    return a > b;
  case Compare::Ge:
    return a >= b;
  case Compare::Equ:
    return a == b || unordered;
  case Compare::Neu:
    return a != b;
  case Compare::Ltu:
    return a < b || unordered;
  case Compare::Leu:
    return a <= b || unordered;
  case Compare::Gtu:
    return a > b || unordered;
  case Compare::Geu:
    return a >= b || unordered;
  case Compare::Num:
    return !unordered;
  case Compare::Nan:
    return unordered;
  }
}

uint32_t predicateAt(Warp &w, const Instruction &in, unsigned i) {
  uint32_t bits = w.predicate(in.from[i]);
  return in.negated >> i & 1 ? ~bits : bits;
}
void putPredicate(Warp &w, uint32_t word, uint32_t bits) {
  if (word != NoRegister)
    w.predicate(word) = (w.predicate(word) & ~w.mask) | (bits & w.mask);
}

/// setp, and setp with a third operand that is combined (count: 1 and, 2 or, 3 xor).
template <typename T, Compare how> void setPredicate(Warp &w, const Instruction &in) {
  const auto *a = w.lanes<LaneOf<T>>(in.from[0]), *b = w.lanes<LaneOf<T>>(in.from[1]);
  uint32_t bits = 0;
  for (unsigned i = 0; i < Lanes; ++i)
    bits |= uint32_t(compares<T, how>(get<T>(a, i), get<T>(b, i))) << i;
  uint32_t other = ~bits;
  if (in.count > 0) {
    uint32_t third = predicateAt(w, in, 2);
    auto combine = [&](uint32_t x) {
      return in.count == 1 ? x & third : in.count == 2 ? x | third : x ^ third;
    };
    bits = combine(bits);
    other = combine(other);
  }
  putPredicate(w, in.to[0], bits);
  putPredicate(w, in.to[1], other);
}

template <typename T> Handler setPredicateOf(const PtxInstruction &p) {
  static const std::map<std::string, Handler> handlers = [] {
    std::map<std::string, Handler> map = {
        {"eq", setPredicate<T, Compare::Eq>}, {"lt", setPredicate<T, Compare::Lt>},
        {"le", setPredicate<T, Compare::Le>}, {"gt", setPredicate<T, Compare::Gt>},
        {"ge", setPredicate<T, Compare::Ge>}, {"ne", setPredicate<T, Compare::Ne>},
        {"lo", setPredicate<T, Compare::Lt>}, {"ls", setPredicate<T, Compare::Le>},
        {"hi", setPredicate<T, Compare::Gt>}, {"hs", setPredicate<T, Compare::Ge>}};
    if constexpr (std::is_floating_point_v<T>) {
      map.insert({{"equ", setPredicate<T, Compare::Equ>},
                  {"neu", setPredicate<T, Compare::Neu>},
                  {"ltu", setPredicate<T, Compare::Ltu>},
                  {"leu", setPredicate<T, Compare::Leu>},
                  {"gtu", setPredicate<T, Compare::Gtu>},
                  {"geu", setPredicate<T, Compare::Geu>},
                  {"num", setPredicate<T, Compare::Num>},
                  {"nan", setPredicate<T, Compare::Nan>}});
    }
    return map;
  }();
  auto found = handlers.find(p.parts[1]);
  return found == handlers.end() ? nullptr : found->second;
}

template <typename U> void select(Warp &w, const Instruction &in) { // selp
  auto *to = w.lanes<LaneOf<U>>(in.to[0]);
  const auto *a = w.lanes<LaneOf<U>>(in.from[0]), *b = w.lanes<LaneOf<U>>(in.from[1]);
  uint32_t bits = predicateAt(w, in, 2);
  forLanes(w, [&](unsigned i) { to[i] = bits >> i & 1 ? a[i] : b[i]; });
}

template <auto F> void predicateOp(Warp &w, const Instruction &in) {
  putPredicate(w, in.to[0], F(predicateAt(w, in, 0), predicateAt(w, in, 1)));
}

Handler predicateOf(const PtxInstruction &p) {
  const std::string &name = p.parts[0];
  if (name == "and")
    return predicateOp<[](uint32_t a, uint32_t b) { return a & b; }>;
  if (name == "or")
    return predicateOp<[](uint32_t a, uint32_t b) { return a | b; }>;
  if (name == "xor")
    return predicateOp<[](uint32_t a, uint32_t b) { return a ^ b; }>;
  if (name == "not")
    return
        [](Warp &w, const Instruction &in) { putPredicate(w, in.to[0], ~predicateAt(w, in, 0)); };
  if (name == "mov")
    return [](Warp &w, const Instruction &in) { putPredicate(w, in.to[0], predicateAt(w, in, 0)); };
  return nullptr;
}

// --- conversions
// ----------------------------------------------------------------------------------

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

template <typename F> Handler byType(const std::string &type, F f) {
  return type == "u16"   ? f(uint16_t())
         : type == "s16" ? f(int16_t())
         : type == "u32" ? f(uint32_t())
         : type == "s32" ? f(int32_t())
         : type == "u64" ? f(uint64_t())
         : type == "s64" ? f(int64_t())
                         : nullptr;
}

} // namespace

Handler findArithmetic(const PtxInstruction &p, Instruction &to) {
  const std::string &name = p.parts[0], &type = p.type();
  if (name == "mov" && p.operands.size() == 2)
    if (Handler found = move(p, to))
      return found;
  if (name == "setp") {
    to.count = p.has("and") ? 1 : p.has("or") ? 2 : p.has("xor") ? 3 : 0;
    if (type == "f32")
      return setPredicateOf<float>(p);
    if (type == "f64")
      return setPredicateOf<double>(p);
    std::string integer = type[0] == 'b' ? "u" + type.substr(1) : type;
    return byType(integer, [&]<typename T>(T) { return setPredicateOf<T>(p); });
  }
  if (name == "selp")
    return bytesOfType(type) == 8 ? select<uint64_t> : select<uint32_t>;
  if (name == "cvt")
    return convert(p);
  if (name == "cvta")
    return nullptr;
  if (type == "pred")
    return predicateOf(p);
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
  if (type == "f32" && name != "mov")
    return floatOf<float>(p);
  if (type == "f64" && name != "mov")
    return floatOf<double>(p);
  if (Handler found = byType(type, [&]<typename T>(T) { return integerOf<T>(p); }))
    return found;
  unsigned bytes = bytesOfType(type);
  return bytes == 8   ? bitsOf<uint64_t>(p)
         : bytes == 4 ? bitsOf<uint32_t>(p)
         : bytes == 2 ? bitsOf<uint16_t>(p)
                      : nullptr;
}

} // namespace danaus::vgpu
