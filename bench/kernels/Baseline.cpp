// The limits of SSE2.
#include "bench/kernels/Yardstick.h"

#define WIDTH 4
#define ROWS 4
#define VECTORS 2
#define FUSED 0
#define REGISTER "x"
#include "bench/kernels/YardstickLoops.inc"

const danaus::bench::Yardstick danaus::bench::baselineYardstick = {
    "baseline",    "SSE2: multiplications and additions of 4 floats",
    registerFlops, registers,
    tileFlops,     tile};
