// What every kernel's code may use. No header is included: NVRTC finds none by itself.

/// bfloat16 in memory; float32 where it is computed with.
struct bf16 {
  unsigned short bits;
  bf16() = default;
  /// To the nearest, ties to even; NaN stays NaN.
  __device__ explicit bf16(float value) {
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
#else
    unsigned word = __float_as_uint(value);
    bits = value != value ? 0x7fff : (word + 0x7fff + ((word >> 16) & 1)) >> 16;
#endif
  }
  __device__ operator float() const { return __uint_as_float(unsigned(bits) << 16); }
};

/// float16 likewise.
struct f16 {
  unsigned short bits;
  f16() = default;
  __device__ explicit f16(float value) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value)); }
  __device__ operator float() const {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
  }
};

__device__ inline float infinity() { return __int_as_float(0x7f800000); }
__device__ inline float quietNaN() { return __int_as_float(0x7fc00000); }

/// NaN where one of them is.
__device__ inline float maximum(float a, float b) { return a != a || a > b ? a : b; }
__device__ inline float minimum(float a, float b) { return a != a || a < b ? a : b; }

struct Add {
  static __device__ float neutral() { return 0; }
  static __device__ float of(float a, float b) { return a + b; }
};
struct Max {
  static __device__ float neutral() { return -infinity(); }
  static __device__ float of(float a, float b) { return maximum(a, b); }
};
struct Min {
  static __device__ float neutral() { return infinity(); }
  static __device__ float of(float a, float b) { return minimum(a, b); }
};

/// Over the 32 threads of a warp; all get the result.
template <class Kind> __device__ float reduceWarp(float value) {
  for (int distance = 16; distance > 0; distance /= 2)
    value = Kind::of(value, __shfl_xor_sync(0xffffffffu, value, distance));
  return value;
}

/// Over the Warps warps of a block, in the order of the warps; all threads get the result. `shared`
/// holds Warps numbers and may be used again after it.
template <class Kind, int Warps> __device__ float reduceBlock(float value, float *shared) {
  value = reduceWarp<Kind>(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0)
    shared[threadIdx.x / 32] = value;
  __syncthreads();
  value = shared[0];
  for (int warp = 1; warp < Warps; ++warp)
    value = Kind::of(value, shared[warp]);
  return value;
}
