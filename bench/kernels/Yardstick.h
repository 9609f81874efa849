// The limits of one core that kernels are measured against: how many floating-point operations an
// instruction set can do in registers, and with operands from the first-level cache; and how fast
// memory is copied. Every measurement is a burst of a few milliseconds, so that it can stand
// between two runs of a kernel, at the clock that the kernel has.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace danaus::bench {

/// fp32, one core. The loops are in Avx512.cpp, Avx2.cpp and Baseline.cpp, from YardstickLoops.inc;
/// that of AMX is in runtime/profile.
struct Yardstick {
  std::string_view isa;
  std::string_view instructions; ///< what the limit is made of
  uint64_t registerFlops;        ///< of one loop of `registers`
  void (*registers)(uint64_t loops);
  uint64_t tileFlops; ///< of one loop of `tile`, which may be missing
  void (*tile)(const float *lhs, const float *rhs, uint64_t loops);
};

extern const Yardstick amxYardstick, avx512Yardstick, avx2Yardstick, baselineYardstick;

/// Null for an instruction set that has none.
const Yardstick *findYardstick(std::string_view isa);

/// Operations in a second: independent multiply-adds on registers alone.
double registerRate(const Yardstick &yardstick);

/// Operations in a second of a register tile of a matrix product, operands in the first-level
/// cache.
double tileRate(const Yardstick &yardstick);

/// Copies between two buffers that lie where the cache can hold neither of them if they are large.
class CopyYardstick {
public:
  /// `bytes` read and `bytes` written.
  explicit CopyYardstick(uint64_t bytes);
  /// Bytes read and written in a second, by memcpy or a plain loop, whichever was faster.
  double rate();

private:
  std::vector<char> from, to;
};

} // namespace danaus::bench
