// The limits of AVX2.
#include "bench/kernels/Yardstick.h"

#define WIDTH 8
#define ROWS 6
#define VECTORS 2
#define FUSED 1
#define REGISTER "x"
#include "bench/kernels/YardstickLoops.inc"

const danaus::bench::Yardstick danaus::bench::avx2Yardstick = {
    "avx2", "AVX2: fused multiply-adds of 8 floats", registerFlops, registers, tileFlops, tile};
