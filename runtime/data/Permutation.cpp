// Fisher-Yates with unbiased bounded numbers (Lemire, "Fast random integer generation in an
// interval", 2019). The fourth word of the counter keeps these numbers apart from those of weight
// initialisation.
#include "runtime/data/Permutation.h"

#include "runtime/base/Philox.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace danaus {

namespace {

constexpr uint32_t permutationDomain = 0x7065726D;
constexpr uint64_t splitStream = ~uint64_t(0);

class WordStream {
public:
  WordStream(uint64_t seed, uint64_t stream)
      : key{uint32_t(seed), uint32_t(seed >> 32)},
        counter{0, uint32_t(stream), uint32_t(stream >> 32), permutationDomain} {}

  uint32_t next() {
    if (used == 4) {
      block = philox4x32(counter, key);
      ++counter[0];
      used = 0;
    }
    return block[used++];
  }

  /// Uniform in [0, bound), bound > 0.
  uint32_t below(uint32_t bound) {
    uint64_t product = uint64_t(next()) * bound;
    if (uint32_t(product) < bound)
      for (uint32_t threshold = -bound % bound; uint32_t(product) < threshold;)
        product = uint64_t(next()) * bound;
    return uint32_t(product >> 32);
  }

private:
  PhiloxKey key;
  PhiloxCounter counter;
  PhiloxCounter block{};
  unsigned used = 4;
};

void shuffle(std::vector<uint32_t> &items, uint64_t seed, uint64_t stream) {
  WordStream words(seed, stream);
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
