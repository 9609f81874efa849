// See Yardstick.h.
#include "bench/kernels/Yardstick.h"

#include "runtime/profile/PeakRates.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace danaus::bench {

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A product of float32 is six of bfloat16 terms. Linux was asked for the tiles when the CPU's
/// instruction sets were looked up.
const Yardstick amxYardstick = {"amx",
                                "AMX: products of bfloat16 tiles, six for one of float32",
                                TileRoundFlops / 6,
                                [](uint64_t loops) { multiplyTiles(loops); },
                                0,
                                nullptr};

const Yardstick *findYardstick(std::string_view isa) {
  for (const Yardstick *each :
       {&amxYardstick, &avx512Yardstick, &avx2Yardstick, &baselineYardstick})
    if (each->isa == isa)
      return each;
  return nullptr;
}

/// The best of a few short bursts: what interrupts one of them is no limit of the machine.
template <typename Loops> static double burst(uint64_t flops, Loops loops) {
  constexpr uint64_t target = 40'000'000; // some tenths of a millisecond
  constexpr int bursts = 8;
  uint64_t count = std::max<uint64_t>(1, target / flops);
  double best = 0;
  for (int i = 0; i < bursts; ++i) {
    Clock::time_point start = Clock::now();
    loops(count);
    best = std::max(best, double(count * flops) / secondsSince(start));
  }
  return best;
}

double registerRate(const Yardstick &yardstick) {
  return burst(yardstick.registerFlops, yardstick.registers);
}

double tileRate(const Yardstick &yardstick) {
  constexpr size_t mostLeft = 128 * 8, mostRight = 128 * 3 * 16;
  std::vector<float> left(mostLeft, 1.0f), right(mostRight, 1.0f);
  return burst(yardstick.tileFlops,
               [&](uint64_t loops) { yardstick.tile(left.data(), right.data(), loops); });
}

CopyYardstick::CopyYardstick(uint64_t bytes) : from(bytes, 1), to(bytes, 2) {}

/// Not memcpy, which writes past the caches where it finds the size large.
static void plainCopy(char *to, const char *from, size_t bytes) {
  using Block = uint64_t __attribute__((vector_size(64), aligned(1), may_alias));
  size_t i = 0;
  for (; i + sizeof(Block) <= bytes; i += sizeof(Block)) {
    *(Block *)(to + i) = *(const Block *)(from + i);
    asm volatile("" ::: "memory");
  }
  std::memcpy(to + i, from + i, bytes - i);
}

double CopyYardstick::rate() {
  double best = 0;
  for (int i = 0; i < 2; ++i) {
    Clock::time_point start = Clock::now();
    std::memcpy(to.data(), from.data(), from.size());
    asm volatile("" : : "r"(to.data()) : "memory");
    best = std::max(best, 2.0 * double(from.size()) / secondsSince(start));
    start = Clock::now();
    plainCopy(to.data(), from.data(), from.size());
    best = std::max(best, 2.0 * double(from.size()) / secondsSince(start));
  }
  return best;
}

} // namespace danaus::bench
