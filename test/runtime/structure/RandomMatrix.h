// Matrices of random numbers for the tests of this room.
#pragma once

#include "runtime/structure/Matrix.h"

#include <random>

namespace danaus::test {

/// Normally distributed; the same for the same seed.
inline Matrix randomMatrix(uint64_t rows, uint64_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Matrix matrix(rows, columns);
  for (double &value : matrix.data)
    value = normal(random);
  return matrix;
}

} // namespace danaus::test
