// See Formula.h. Coefficients are compared with a tolerance: files hold them rounded to float32,
// and some exporters write fewer digits.
#include "compiler/onnx/Formula.h"

#include <cmath>
#include <numbers>

namespace danaus::onnx {

static constexpr double tolerance = 1e-4;
static constexpr unsigned mostDegree = 6;
static constexpr double cubic = 0.044715;

Formula Formula::constant(double value) {
  Formula result;
  result.terms[{0, 0}] = value;
  return result;
}

Formula Formula::of(mlir::Value x) {
  Formula result;
  result.x = x;
  result.terms[{1, 0}] = 1;
  return result;
}

std::optional<double> Formula::asConstant() const {
  if (x)
    return std::nullopt;
  return terms.at({0, 0});
}

std::optional<double> Formula::asMultiple() const {
  if (!x || terms.size() != 1 || terms.begin()->first != Degrees{1, 0})
    return std::nullopt;
  return terms.begin()->second;
}

bool Formula::is(const std::map<Degrees, double> &wanted) const {
  if (terms.size() != wanted.size())
    return false;
  for (auto [degrees, factor] : wanted) {
    auto found = terms.find(degrees);
    if (found == terms.end() || !(std::fabs(found->second - factor) <= tolerance * factor))
      return false;
  }
  return true;
}

Formula::Known Formula::known() const {
  // A factor of 1 is exact: a product with 1.00005 is not the value itself.
  if (inner == Inner::None && asMultiple() == 1.0)
    return Known::Base;
  if (inner == Inner::None || !is({{{1, 0}, 0.5}, {{1, 1}, 0.5}}))
    return Known::No;
  return inner == Inner::Erf ? Known::Gelu : Known::GeluTanh;
}

/// A formula without terms of the value that both are of.
std::optional<Formula> Formula::common(const Formula &a, const Formula &b) {
  if (a.x && b.x && a.x != b.x)
    return std::nullopt;
  if (a.inner != Inner::None && b.inner != Inner::None && a.inner != b.inner)
    return std::nullopt;
  Formula result;
  result.x = a.x ? a.x : b.x;
  result.inner = a.inner != Inner::None ? a.inner : b.inner;
  return result;
}

std::optional<Formula> Formula::sum(const Formula &a, const Formula &b, double factorOfB) {
  std::optional<Formula> result = common(a, b);
  if (!result)
    return std::nullopt;
  result->terms = a.terms;
  for (auto [degrees, factor] : b.terms)
    result->terms[degrees] += factorOfB * factor;
  return result;
}

std::optional<Formula> Formula::product(const Formula &a, const Formula &b) {
  std::optional<Formula> result = common(a, b);
  if (!result)
    return std::nullopt;
  for (auto [da, fa] : a.terms)
    for (auto [db, fb] : b.terms) {
      Degrees degrees{da.first + db.first, da.second + db.second};
      if (degrees.first > mostDegree || degrees.second > 1)
        return std::nullopt;
      result->terms[degrees] += fa * fb;
    }
  return result;
}

std::optional<Formula> Formula::erf(const Formula &argument) {
  if (argument.inner != Inner::None || !argument.is({{{1, 0}, 1 / std::numbers::sqrt2}}))
    return std::nullopt;
  Formula result;
  result.x = argument.x;
  result.inner = Inner::Erf;
  result.terms[{0, 1}] = 1;
  return result;
}

std::optional<Formula> Formula::tanh(const Formula &argument) {
  double factor = std::sqrt(2 / std::numbers::pi);
  if (argument.inner != Inner::None || !argument.is({{{1, 0}, factor}, {{3, 0}, factor * cubic}}))
    return std::nullopt;
  Formula result;
  result.x = argument.x;
  result.inner = Inner::Tanh;
  result.terms[{0, 1}] = 1;
  return result;
}

} // namespace danaus::onnx
