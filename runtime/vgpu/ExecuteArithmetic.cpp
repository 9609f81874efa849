// Handlers of predicates and selections; what computes values is found in ExecuteInteger,
// ExecuteFloat and ExecuteConvert.cpp.
#include "runtime/vgpu/Arithmetic.h"

namespace danaus::vgpu {

namespace {

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

} // namespace

Handler findArithmetic(const PtxInstruction &p, Instruction &to) {
  const std::string &name = p.parts[0], &type = p.type();
  if (Handler found = findConversion(p, to))
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
  if (name == "cvta")
    return nullptr;
  if (type == "pred")
    return predicateOf(p);
  if (name != "mov" && (type == "f32" || type == "f64"))
    return findFloat(p);
  return findInteger(p, to);
}

} // namespace danaus::vgpu
