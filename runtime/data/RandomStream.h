// Numbers drawn one after another from Philox4x32-10: a stream is named by the seed, two numbers
// and what it is for, so that it can be opened anywhere and always gives the same. Not the standard
// library's generators or distributions, whose numbers differ between implementations.
#pragma once

#include "runtime/base/Philox.h"

namespace danaus {

/// What a stream is for: the fourth word of the counter. Streams of one purpose are independent of
/// those of another, and of the numbers of weight initialisation. Changing one breaks the resuming
/// of old runs.
enum class RandomUse : uint32_t {
  Permutation = 0x7065726D,
  ResizedCrop = 0x63726F70,
  Crop = 0x73686966,
  Flip = 0x666C6970,
  Erase = 0x65726173,
  Mix = 0x6D697820,
};

class RandomStream {
public:
  RandomStream(uint64_t seed, uint32_t first, uint32_t second, RandomUse use)
      : key{uint32_t(seed), uint32_t(seed >> 32)}, counter{0, first, second, uint32_t(use)} {}

  uint32_t next() {
    if (used == 4) {
      block = philox4x32(counter, key);
      ++counter[0];
      used = 0;
    }
    return block[used++];
  }

  /// Uniform in [0, bound), bound > 0; unbiased (Lemire, "Fast random integer generation in an
  /// interval", 2019).
  uint32_t below(uint32_t bound) {
    uint64_t product = uint64_t(next()) * bound;
    if (uint32_t(product) < bound)
      for (uint32_t threshold = -bound % bound; uint32_t(product) < threshold;)
        product = uint64_t(next()) * bound;
    return uint32_t(product >> 32);
  }

  /// Uniform in [0, 1), a multiple of 2^-53.
  double unit() {
    uint64_t high = next();
    return double((high << 32 | next()) >> 11) * 0x1p-53;
  }
  double between(double least, double most) { return least + (most - least) * unit(); }

private:
  PhiloxKey key;
  PhiloxCounter counter;
  PhiloxCounter block{};
  unsigned used = 4;
};

} // namespace danaus
