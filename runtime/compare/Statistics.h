// Means, spread and the paired t-test.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace danaus {

struct Spread {
  double mean = 0;
  /// Sample standard deviation (of n - 1); nothing of a single value.
  std::optional<double> deviation;
  uint64_t count = 0;
};
Spread spreadOf(std::span<const double> values);

/// The probability that |T| >= |t| for Student's t of so many degrees of freedom (at least 1): the
/// finite series for whole numbers (Abramowitz and Stegun, 26.7.3 and 26.7.4).
double studentTail(double t, uint64_t degrees);

/// Whether the mean of b[i] - a[i] is other than 0.
struct PairedTest {
  Spread difference;
  double t = 0; ///< infinite where all differences are equal and not 0
  double p = 1; ///< two-sided
};
/// Nothing of fewer than two pairs.
std::optional<PairedTest> pairedTest(std::span<const double> a, std::span<const double> b);

} // namespace danaus
