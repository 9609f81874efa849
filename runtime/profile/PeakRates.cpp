// See PeakRates.h.
#include "runtime/profile/PeakRates.h"

#include "runtime/device/cpu/CpuInfo.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <immintrin.h>
#include <vector>

namespace danaus {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned Repeats = 5; ///< of which the best counts: a limit, not a mean
constexpr uint64_t Rounds = 2'000'000, MatrixRounds = 250'000;
constexpr unsigned Chains = 16; ///< independent sums: latency times rate of any processor

/// Chains of multiply-adds that stay in registers; returns something so that nothing is left out.
template <typename Vector> [[gnu::always_inline]] inline float multiplyAdds(uint64_t rounds) {
  Vector sums[Chains], factor, term;
  for (unsigned lane = 0; lane < sizeof(Vector) / sizeof(float); ++lane) {
    factor[lane] = 0.999f;
    term[lane] = 0.001f * float(lane + 1); // sums tend to lane + 1: no number is ever denormal
  }
  for (unsigned i = 0; i < Chains; ++i)
    sums[i] = term + float(i);
  for (uint64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (unsigned i = 0; i < Chains; ++i)
      sums[i] = sums[i] * factor + term;
  }
  float total = 0;
  for (unsigned i = 0; i < Chains; ++i)
    total += sums[i][0];
  return total;
}

typedef float Lanes4 __attribute__((vector_size(16)));
typedef float Lanes8 __attribute__((vector_size(32)));
typedef float Lanes16 __attribute__((vector_size(64)));

[[gnu::target("avx512f,fma")]] float multiplyAdds512(uint64_t rounds) {
  return multiplyAdds<Lanes16>(rounds);
}
[[gnu::target("avx2,fma")]] float multiplyAdds256(uint64_t rounds) {
  return multiplyAdds<Lanes8>(rounds);
}
float multiplyAdds128(uint64_t rounds) { return multiplyAdds<Lanes4>(rounds); }

struct Unit {
  float (*run)(uint64_t rounds);
  unsigned lanes;
};

Unit bestUnit() {
  if (cpuHasFeature("avx512f"))
    return {multiplyAdds512, 16};
  if (cpuHasFeature("avx2") && cpuHasFeature("fma"))
    return {multiplyAdds256, 8};
  return {multiplyAdds128, 4};
}

/// Tiles of 16 rows of 64 bytes: 16 x 16 float32 sums, 16 x 32 bfloat16 operands.
constexpr unsigned TileRows = 16, TileRowBytes = 64, TileDepth = 32;
constexpr unsigned SumTiles = 6; ///< of the 8; independent: 16 cycles each, 52 to the result
static_assert(TileRoundFlops == 2 * TileRows * TileRows * TileDepth * SumTiles);

/// As the instruction LDTILECFG reads it.
struct alignas(64) TileConfig {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {};
  uint8_t rows[16] = {};
};

} // namespace

/// Sums in six tiles of the products of the other two.
[[gnu::target("amx-tile,amx-bf16")]] float multiplyTiles(uint64_t rounds) {
  TileConfig config;
  std::fill_n(config.rowBytes, 8, TileRowBytes);
  std::fill_n(config.rows, 8, TileRows);
  alignas(64) float tile[TileRows][TileRowBytes / sizeof(float)];
  for (auto &row : tile)
    std::ranges::fill(row, 1e-3f); // as two numbers of bfloat16 small and normal
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_loadd(6, tile, TileRowBytes);
  _tile_loadd(7, tile, TileRowBytes);
  for (uint64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 6, 7);
    _tile_dpbf16ps(1, 6, 7);
    _tile_dpbf16ps(2, 6, 7);
    _tile_dpbf16ps(3, 6, 7);
    _tile_dpbf16ps(4, 6, 7);
    _tile_dpbf16ps(5, 6, 7);
  }
  _tile_stored(0, tile, TileRowBytes);
  _tile_release();
  return tile[0][0];
}

namespace {

/// Seconds that all threads need for one call each; the best of some.
template <typename Work> double bestSeconds(Device &device, Work work) {
  double best = 1e9;
  for (unsigned i = 0; i < Repeats; ++i) {
    Clock::time_point start = Clock::now();
    device.parallelFor(device.threads(), work);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

/// FLOP/s of a loop on all threads.
double rateOf(Device &device, float (*run)(uint64_t), uint64_t rounds, double flopsOfRound) {
  std::vector<float> sinks(device.threads() * 16);
  double seconds = bestSeconds(device, [&](uint64_t thread) { sinks[thread * 16] = run(rounds); });
  return double(rounds) * flopsOfRound * device.threads() / seconds;
}

} // namespace

double measureFloat32Rate(Device &device) {
  Unit unit = bestUnit();
  return rateOf(device, unit.run, Rounds, 2.0 * Chains * unit.lanes);
}

double measureMatrixRate(Device &device) {
  if (!checkIsa("amx") || !requestMatrixTiles())
    return 0;
  return rateOf(device, multiplyTiles, MatrixRounds, TileRoundFlops);
}

double measureCopyRate(Device &device, size_t arrayBytes, size_t copiedBytes) {
  unsigned threads = device.threads();
  std::vector<std::vector<char>> from(threads), to(threads);
  device.parallelFor(threads, [&](uint64_t thread) { // on the threads' own memory
    from[thread].assign(arrayBytes, 1);
    to[thread].assign(arrayBytes, 0);
  });
  size_t times = std::max<size_t>(1, copiedBytes / arrayBytes);
  double seconds = bestSeconds(device, [&](uint64_t thread) {
    for (size_t i = 0; i < times; ++i) {
      std::memcpy(to[thread].data(), from[thread].data(), arrayBytes);
      asm volatile("" ::: "memory"); // each of them is made
    }
  });
  return 2.0 * double(arrayBytes) * double(times) * threads / seconds;
}

} // namespace danaus
