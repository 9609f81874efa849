// Element-wise operations and the sum over leading dimensions.
#include "test/lib/reference/Evaluate.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

double relu(double x) { return x < 0 ? 0 : x; } // a NaN stays

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }
double geluSlope(double x) {
  double density = std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
  return 0.5 * (1 + std::erf(x / std::numbers::sqrt2)) + x * density;
}

const double TanhScale = std::sqrt(2 / std::numbers::pi);
constexpr double TanhCubic = 0.044715;
double geluTanh(double x) {
  return 0.5 * x * (1 + std::tanh(TanhScale * (x + TanhCubic * x * x * x)));
}
double geluTanhSlope(double x) {
  double t = std::tanh(TanhScale * (x + TanhCubic * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * TanhScale * (1 + 3 * TanhCubic * x * x);
}

/// Of the float32 value: to nearest among those with 8 bits, ties to even.
double roundBf16(double x) {
  if (!std::isfinite(float(x)))
    return float(x);
  int exponent;
  std::frexp(float(x), &exponent); // |x| in [2^(exponent - 1), 2^exponent)
  double step = std::ldexp(1.0, std::max(exponent - 8, -133));
  return float(std::nearbyint(float(x) / step) * step);
}

/// With 11 bits; multiples of 2^-24 below 2^-14, infinite from 65,520 on.
double roundF16(double x) {
  if (!std::isfinite(float(x)))
    return float(x);
  int exponent;
  std::frexp(float(x), &exponent);
  double step = std::ldexp(1.0, std::max(exponent - 11, -24));
  double rounded = std::nearbyint(float(x) / step) * step;
  return std::fabs(rounded) > 65504 ? std::copysign(INFINITY, x) : rounded;
}

Tensor map(const Tensor &x, double (*function)(double)) {
  Tensor result = x;
  for (double &value : result.data)
    value = function(value);
  return result;
}

/// gradient * slope(saved), element by element.
Tensor mapBackward(const Tensor &saved, const Tensor &gradient, double (*slope)(double)) {
  Tensor result = gradient;
  for (auto [value, at] : llvm::zip_equal(result.data, saved.data))
    value *= slope(at);
  return result;
}

Tensor add(const Tensor &lhs, const Tensor &rhs) {
  Tensor result = lhs;
  for (int64_t i = 0; i < result.size(); ++i)
    result.data[i] += rhs.data[i % rhs.size()]; // rhs's shape is a suffix
  return result;
}

Tensor sumLeading(const Tensor &input, Tensor result) {
  for (int64_t i = 0; i < input.size(); ++i)
    result.data[i % result.size()] += input.data[i];
  return result;
}

Tensor reluBackward(const Tensor &saved, const Tensor &gradient) {
  // Chosen, not multiplied: an infinite gradient where relu is off gives 0.
  Tensor result = gradient;
  for (auto [value, at] : llvm::zip_equal(result.data, saved.data))
    value = at > 0 ? value : 0;
  return result;
}

} // namespace

LogicalResult reference::evaluateElementwise(Operation *op, Values &values) {
  auto operand = [&](unsigned i) -> const Tensor & { return values[op->getOperand(i)]; };
  auto result =
      TypeSwitch<Operation *, std::optional<Tensor>>(op)
          .Case<nn::AddOp>([&](auto) { return add(operand(0), operand(1)); })
          .Case<nn::SumLeadingOp>(
              [&](auto sum) { return sumLeading(operand(0), zerosLike(sum.getResult())); })
          .Case<nn::ReluOp>([&](auto) { return map(operand(0), relu); })
          .Case<nn::GeluOp>([&](auto) { return map(operand(0), gelu); })
          .Case<nn::GeluTanhOp>([&](auto) { return map(operand(0), geluTanh); })
          .Case<nn::RoundOp>([&](nn::RoundOp round) {
            return map(operand(0), round.getTo().isF16() ? roundF16 : roundBf16);
          })
          .Case<nn::ReluBackwardOp>([&](auto) { return reluBackward(operand(0), operand(1)); })
          .Case<nn::GeluBackwardOp>(
              [&](auto) { return mapBackward(operand(0), operand(1), geluSlope); })
          .Case<nn::GeluTanhBackwardOp>(
              [&](auto) { return mapBackward(operand(0), operand(1), geluTanhSlope); })
          .Default([](Operation *) { return std::nullopt; });
  if (!result)
    return failure();
  values.set(op->getResult(0), std::move(*result));
  return success();
}
