// Element-wise code of ONNX graphs that has no operation of ours until it is whole: GELU comes as
// x * 0.5 * (1 + erf(x / sqrt 2)), in any order and association. A Formula is what such nodes have
// computed so far: a polynomial in one value x and in one erf or tanh of it.
#pragma once

#include "mlir/IR/Value.h"

#include <map>
#include <optional>

namespace danaus::onnx {

class Formula {
public:
  static Formula constant(double value);
  /// The value x itself.
  static Formula of(mlir::Value x);

  mlir::Value base() const { return x; }
  std::optional<double> asConstant() const;
  /// c where this is c * x.
  std::optional<double> asMultiple() const;

  /// The formula's result as an operation of ours, if it is one.
  enum class Known { No, Base, Gelu, GeluTanh };
  Known known() const;

  /// None where the two are of different values, or where the degree gets too high to become
  /// anything that we know.
  static std::optional<Formula> sum(const Formula &a, const Formula &b, double factorOfB = 1);
  static std::optional<Formula> product(const Formula &a, const Formula &b);
  /// erf or tanh of the argument that GELU takes it of; none for any other.
  static std::optional<Formula> erf(const Formula &argument);
  static std::optional<Formula> tanh(const Formula &argument);

private:
  enum class Inner { None, Erf, Tanh };
  using Degrees = std::pair<unsigned, unsigned>; ///< of x and of the inner function
  bool is(const std::map<Degrees, double> &wanted) const;
  static std::optional<Formula> common(const Formula &a, const Formula &b);

  mlir::Value x; ///< null: a constant
  Inner inner = Inner::None;
  std::map<Degrees, double> terms;
};

} // namespace danaus::onnx
