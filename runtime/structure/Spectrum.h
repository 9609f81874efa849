// What the singular values of a weight say about the rank that it needs.
#pragma once

#include "runtime/structure/Matrix.h"

namespace danaus {

struct Spectrum {
  std::vector<double> sigma; ///< descending, not negative

  /// The least rank that keeps `energy` (0 to 1) of the sum of squares; at least 1.
  uint64_t rankFor(double energy) const;
  /// The share of the sum of squares that the `rank` largest keep; 1 of a weight of zeros.
  double energyOf(uint64_t rank) const;
  /// ||W||_F^2 / ||W||_2^2, as Cuttlefish (Wang et al., MLSys 2023) judges layers by; 1 of zeros.
  double stableRank() const;
};

/// Errors of computeSvd.
Expected<Spectrum> spectrumOf(const Matrix &matrix);

} // namespace danaus
