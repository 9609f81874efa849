// Random orders that depend on (seed, stream) only: Fisher-Yates on Philox4x32-10. Not on the
// standard library's generators or distributions, whose numbers differ between implementations. And
// what is made of them: the split of a training set and the order of an epoch.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <vector>

namespace danaus {

enum class RowOrder { File, Shuffled };

/// A permutation of 0 .. count-1.
std::vector<uint32_t> randomPermutation(size_t count, uint64_t seed, uint64_t stream);

/// Which rows of a training set are trained on and which validate; both ascending, disjoint,
/// complete.
struct Split {
  std::vector<uint32_t> train, validation;
};

/// Shuffled: validation is the last `validation` of a permutation by `seed`. File: the last rows.
Expected<Split> splitTrainingSet(size_t count, size_t validation, uint64_t seed, RowOrder order);

/// The rows of one epoch (counted from 0) in the order in which they are trained on.
std::vector<uint32_t> epochOrder(const std::vector<uint32_t> &rows, uint64_t seed, uint64_t epoch,
                                 RowOrder order);

} // namespace danaus
