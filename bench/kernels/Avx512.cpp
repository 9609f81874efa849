// The limits of AVX-512.
#include "bench/kernels/Yardstick.h"

#define WIDTH 16
#define ROWS 8
#define VECTORS 3
#define FUSED 1
#define REGISTER "v"
#include "bench/kernels/YardstickLoops.inc"

const danaus::bench::Yardstick danaus::bench::avx512Yardstick = {
    "avx512", "AVX-512: fused multiply-adds of 16 floats", registerFlops, registers, tileFlops,
    tile};
