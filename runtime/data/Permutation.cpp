// Fisher-Yates with unbiased bounded numbers.
#include "runtime/data/Permutation.h"

#include "runtime/data/RandomStream.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace danaus {

namespace {

constexpr uint64_t splitStream = ~uint64_t(0);

void shuffle(std::vector<uint32_t> &items, uint64_t seed, uint64_t stream) {
  RandomStream words(seed, uint32_t(stream), uint32_t(stream >> 32), RandomUse::Permutation);
  for (size_t last = items.size(); last > 1; --last)
    std::swap(items[last - 1], items[words.below(uint32_t(last))]);
}

} // namespace

std::vector<uint32_t> randomPermutation(size_t count, uint64_t seed, uint64_t stream) {
  std::vector<uint32_t> items(count);
  std::iota(items.begin(), items.end(), 0);
  shuffle(items, seed, stream);
  return items;
}

Expected<Split> splitTrainingSet(size_t count, size_t validation, uint64_t seed, RowOrder order) {
  if (validation >= count)
    return Error(
        ExitCode::DataInvalid,
        format("data.validation takes %zu images, but the training set has %zu: at least one "
               "must be left to train on",
               validation, count));
  std::vector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0);
  if (order == RowOrder::Shuffled)
    shuffle(rows, seed, splitStream);
  auto border = rows.end() - std::ptrdiff_t(validation);
  Split split{{rows.begin(), border}, {border, rows.end()}};
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
}

std::vector<uint32_t> epochOrder(const std::vector<uint32_t> &rows, uint64_t seed, uint64_t epoch,
                                 RowOrder order) {
  std::vector<uint32_t> result = rows;
  if (order == RowOrder::Shuffled)
    shuffle(result, seed, epoch);
  return result;
}

} // namespace danaus
