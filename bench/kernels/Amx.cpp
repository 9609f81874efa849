// The limit of float32 on AMX, where a product is six of bfloat16 terms. Linux was asked for the
// tiles when the CPU's instruction sets were looked up.
#include "bench/kernels/Yardstick.h"

#include <immintrin.h>

namespace {

constexpr uint64_t sums = 6, products = 6;
constexpr uint64_t registerFlops = sums * 2 * 16 * 16 * 32 / products;

/// Six independent sums of tiles that stay in registers.
void registers(uint64_t loops) {
  struct {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  alignas(64) char tile[1024] = {};
  _tile_loadconfig(&config);
  _tile_loadd(6, tile, 64);
  _tile_loadd(7, tile, 64);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  for (uint64_t loop = 0; loop < loops; ++loop) {
    _tile_dpbf16ps(0, 6, 7);
    _tile_dpbf16ps(1, 6, 7);
    _tile_dpbf16ps(2, 6, 7);
    _tile_dpbf16ps(3, 6, 7);
    _tile_dpbf16ps(4, 6, 7);
    _tile_dpbf16ps(5, 6, 7);
  }
  _tile_stored(0, tile, 64);
  _tile_release();
}

} // namespace

const danaus::bench::Yardstick danaus::bench::amxYardstick = {
    "amx",  "AMX: products of bfloat16 tiles, six for one of float32", registerFlops, registers, 0,
    nullptr};
