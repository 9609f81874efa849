// exp, log, tanh and erf as the compiler expands them, through the whole way to machine code: at
// most 2 ulp from libm's double results, on every instruction set of this machine.
#include "test/compiler/target/CodeTesting.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"

#include <cmath>

using namespace danaus;
using namespace danaus::test;

namespace {

struct Function {
  const char *name;
  double (*exact)(double);
};

constexpr Function functions[] = {
    {"exp", [](double x) { return std::exp(x); }},
    {"log", [](double x) { return std::log(x); }},
    {"tanh", [](double x) { return std::tanh(x); }},
    {"erf", [](double x) { return std::erf(x); }},
};

constexpr size_t Count = 1 << 21;

/// math.`function` of every element of `x`.
std::vector<float> evaluate(const std::string &function, const cpu::Isa &isa,
                            const std::vector<float> &x) {
  mlir::MLIRContext context;
  context.loadDialect<mlir::func::FuncDialect, mlir::scf::SCFDialect, mlir::arith::ArithDialect,
                      mlir::math::MathDialect, mlir::memref::MemRefDialect,
                      mlir::vector::VectorDialect>();
  std::string memory = "memref<" + std::to_string(Count) + "xf32>";
  std::string vector = "vector<" + std::to_string(isa.width) + "xf32>";
  std::string text = "func.func @evaluate(%x: " + memory + ", %y: " + memory +
                     ", %call: index, %scratch: memref<1xf32>) {\n"
                     "%zero = arith.constant 0 : index\n%count = arith.constant " +
                     std::to_string(Count) + " : index\n%step = arith.constant " +
                     std::to_string(isa.width) +
                     " : index\nscf.for %i = %zero to %count step %step {\n"
                     "%v = vector.load %x[%i] : " +
                     memory + ", " + vector + "\n%r = math." + function + " %v : " + vector +
                     "\nvector.store %r, %y[%i] : " + memory + ", " + vector + "\n}\nreturn\n}\n";
  std::vector<float> y(Count);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module) {
    ADD_FAILURE() << "no IR: " << text;
    return y;
  }
  MachineCode code(*module, isa);
  const void *buffers[] = {x.data(), y.data()};
  if (auto *entry = code.entry("evaluate"))
    entry(buffers, 0, nullptr);
  return y;
}

/// Special values, floats around every bound of the expansions, floats of any size, and more of the
/// sizes where the functions are neither linear nor constant.
std::vector<float> sample() {
  std::vector<float> x;
  constexpr float inf = INFINITY, least = std::numeric_limits<float>::denorm_min(),
                  normal = std::numeric_limits<float>::min(),
                  most = std::numeric_limits<float>::max();
  for (float value : {0.0f, inf, float(NAN), least, 2 * least, normal, most, 1.0f})
    x.insert(x.end(), {value, -value});
  for (float bound : {1.0f, 0.70710678f, 1.41421356f, 0.6f, 0.875f, 3.925f, 9.02f, 88.722839f,
                      87.336545f, 103.972077f, 104.0f, 0.34657359f, normal}) {
    float up = bound, down = bound;
    for (int i = 0; i < 5000; ++i, up = std::nextafter(up, inf), down = std::nextafter(down, -inf))
      x.insert(x.end(), {up, down, -up, -down});
  }
  for (uint32_t i = 0; x.size() < Count / 2; ++i)
    x.push_back(std::bit_cast<float>(i * 0x9E3779B1u));
  for (uint32_t i = 0; x.size() < Count; ++i) {
    float size = std::bit_cast<float>(0x38000000u + i * 0x9E3779B1u % (0x43000000u - 0x38000000u));
    x.push_back(i % 2 ? size : -size);
  }
  return x;
}

/// How many ulp of `exact` lie between it and `got`; infinite where NaN, infinity or the sign of
/// zero are not as in `exact`.
double ulpsBetween(float got, double exact) {
  if (std::isnan(exact) && std::isnan(got))
    return 0;
  float rounded = float(exact);
  if (std::isnan(got) || std::isnan(exact) || std::isinf(got) != std::isinf(rounded))
    return INFINITY;
  if (std::isinf(got) || (got == 0 && rounded == 0))
    return std::signbit(got) == std::signbit(rounded) ? 0 : INFINITY;
  int exponent = std::max(std::ilogb(exact), -126);
  return std::fabs(got - exact) / std::ldexp(1.0, exponent - 23);
}

class MathFunctions : public testing::TestWithParam<Function> {};
TEST_P(MathFunctions, AreWithinTwoUlp) {
  std::vector<float> x = sample();
  std::vector<double> exact(Count);
  std::transform(x.begin(), x.end(), exact.begin(), GetParam().exact);
  for (const std::string &name : instructionSets()) {
    SCOPED_TRACE(name);
    std::vector<float> y = evaluate(GetParam().name, *cpu::isaNamed(name), x);
    double worst = 0;
    size_t place = 0;
    for (size_t i = 0; i < Count; ++i)
      if (!(ulpsBetween(y[i], exact[i]) <= worst)) {
        worst = ulpsBetween(y[i], exact[i]);
        place = i;
      }
    EXPECT_LE(worst, 2) << GetParam().name << "(" << x[place] << ") = " << y[place] << ", not "
                        << exact[place];
    RecordProperty(name, std::to_string(worst));
  }
}
INSTANTIATE_TEST_SUITE_P(All, MathFunctions, testing::ValuesIn(functions),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
