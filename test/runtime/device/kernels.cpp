// Kernels with the ABI of runtime/plan/KernelAbi.h that the tests of device and exec load as a
// shared object.
#include <cstdint>

extern "C" {

// counts[tile] += 1, not atomically: a tile that ran twice at once could hide, so tests repeat it.
void count_tiles(void *const *buffers, int64_t tile, void *scratch) {
  ++static_cast<int32_t *>(buffers[0])[tile];
}

// out[tile] = in[tile] + sum of all 256 in: right only if every tile of the stage before is done.
void add_sum(void *const *buffers, int64_t tile, void *scratch) {
  const auto *in = static_cast<int32_t *>(buffers[0]);
  int32_t sum = 0;
  for (int i = 0; i < 256; ++i)
    sum += in[i];
  static_cast<int32_t *>(buffers[1])[tile] = in[tile] + sum;
}

// Fills 1000 bytes of scratch with its tile number and reads them back, slowly; out[tile] = 1 if
// nobody else wrote there and the scratch is 64-byte aligned.
void use_scratch(void *const *buffers, int64_t tile, void *scratch) {
  auto *mine = static_cast<volatile uint8_t *>(scratch);
  int good = uintptr_t(scratch) % 64 == 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 1000; ++i)
      mine[i] = uint8_t(tile + round);
    for (int i = 0; i < 1000; ++i)
      good &= mine[i] == uint8_t(tile + round);
  }
  static_cast<int32_t *>(buffers[0])[tile] = good;
}

// w[tile] -= control[0] * gradient[tile]
void descend(void *const *buffers, int64_t tile, void *scratch) {
  static_cast<float *>(buffers[0])[tile] -=
      static_cast<float *>(buffers[2])[0] * static_cast<float *>(buffers[1])[tile];
}

// out[0] = sum of the six floats of in
void sum_six(void *const *buffers, int64_t tile, void *scratch) {
  float sum = 0;
  for (int i = 0; i < 6; ++i)
    sum += static_cast<float *>(buffers[0])[i];
  static_cast<float *>(buffers[1])[0] = sum;
}

} // extern "C"
