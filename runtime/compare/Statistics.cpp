// See Statistics.h.
#include "runtime/compare/Statistics.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace danaus {

Spread spreadOf(std::span<const double> values) {
  Spread spread;
  spread.count = values.size();
  for (double value : values)
    spread.mean += value / double(values.size());
  if (values.size() < 2)
    return spread;
  double squares = 0;
  for (double value : values)
    squares += (value - spread.mean) * (value - spread.mean);
  spread.deviation = std::sqrt(squares / double(values.size() - 1));
  return spread;
}

double studentTail(double t, uint64_t degrees) {
  if (std::isinf(t))
    return 0;
  double theta = std::atan(std::fabs(t) / std::sqrt(double(degrees)));
  double cosine = std::cos(theta), square = cosine * cosine;
  bool isOdd = degrees % 2 == 1;
  // The sum of products of (2/3)(4/5)... or (1/2)(3/4)... with powers of the cosine.
  double term = isOdd ? cosine : 1, sum = degrees > 1 ? term : 0;
  for (uint64_t i = isOdd ? 3 : 2; i + 1 < degrees + (isOdd ? 0 : 1); i += 2) {
    term *= square * double(i - 1) / double(i);
    sum += term;
  }
  double inside =
      isOdd ? 2 / std::numbers::pi * (theta + std::sin(theta) * sum) : std::sin(theta) * sum;
  return std::fmax(0, 1 - inside);
}

std::optional<PairedTest> pairedTest(std::span<const double> a, std::span<const double> b) {
  std::vector<double> differences;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i)
    differences.push_back(b[i] - a[i]);
  if (differences.size() < 2)
    return std::nullopt;
  PairedTest test{spreadOf(differences)};
  double error = *test.difference.deviation / std::sqrt(double(differences.size()));
  if (test.difference.mean == 0)
    return test;
  test.t = error > 0 ? test.difference.mean / error
                     : std::copysign(std::numeric_limits<double>::infinity(), test.difference.mean);
  test.p = studentTail(test.t, differences.size() - 1);
  return test;
}

} // namespace danaus
