// Handlers of floating-point numbers. The results of approximate functions (ex2, lg2, rsqrt, ...)
// are those of the C library, rounded: a real GPU's may differ in the last bits.
#include "runtime/vgpu/Arithmetic.h"

#include <cfenv>
#include <cmath>

namespace danaus::vgpu {

namespace {

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

} // namespace

Handler findFloat(const PtxInstruction &p) {
  return p.type() == "f64" ? floatOf<double>(p) : floatOf<float>(p);
}

} // namespace danaus::vgpu
