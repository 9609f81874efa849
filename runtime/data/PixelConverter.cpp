// The two loops of the conversion, for each instruction set.
#include "runtime/data/PixelConverter.h"

#include <cmath>

namespace danaus {

namespace {

/// x / 255 for x in 0..255, correctly rounded, without a division: multiply by the reciprocal, then
/// add the residual x - 255 q times the reciprocal. Both differences are exact (Sterbenz). The test
/// holds all 256 values against the division.
[[gnu::always_inline]] inline float scaled(uint8_t pixel) {
  constexpr float reciprocal = 1.0f / 255.0f;
  float value = pixel, quotient = value * reciprocal;
  float residual = (value - quotient * 256.0f) + quotient;
  return quotient + residual * reciprocal;
}

[[gnu::always_inline]] inline void scaleBody(const uint8_t *__restrict pixels, size_t count,
                                             float *__restrict into) {
  for (size_t index = 0; index < count; ++index)
    into[index] = scaled(pixels[index]);
}

[[gnu::always_inline]] inline void normalizeBody(const uint8_t *__restrict pixels, size_t count,
                                                 float mean, float deviation,
                                                 float *__restrict into) {
  for (size_t index = 0; index < count; ++index)
    into[index] = (scaled(pixels[index]) - mean) / deviation;
}

struct Kernels {
  PixelConverter::Kernel scale;
  PixelConverter::NormalizingKernel scaleAndNormalize;
};

/// The two loops, compiled for one instruction set; scaled() rounds right with and without FMA.
#define DANAUS_PIXEL_KERNELS(NAME, ATTRIBUTE)                                                      \
  ATTRIBUTE void scale##NAME(const uint8_t *pixels, size_t count, float *into) {                   \
    scaleBody(pixels, count, into);                                                                \
  }                                                                                                \
  ATTRIBUTE void normalize##NAME(const uint8_t *pixels, size_t count, float mean, float deviation, \
                                 float *into) {                                                    \
    normalizeBody(pixels, count, mean, deviation, into);                                           \
  }
DANAUS_PIXEL_KERNELS(Plain, )
#if defined(__x86_64__)
DANAUS_PIXEL_KERNELS(Avx2, [[gnu::target("avx2")]])
DANAUS_PIXEL_KERNELS(Avx512, [[gnu::target("avx512f,avx512bw")]])
#endif
#undef DANAUS_PIXEL_KERNELS

Kernels chooseKernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
    return {scaleAvx512, normalizeAvx512};
  if (__builtin_cpu_supports("avx2"))
    return {scaleAvx2, normalizeAvx2};
#endif
  return {scalePlain, normalizePlain};
}

} // namespace

Expected<PixelConverter> PixelConverter::create(const ImageShape &shape,
                                                const Normalization &normalization) {
  const auto &[mean, deviation] = normalization;
  if (mean.size() != deviation.size() || (!mean.empty() && mean.size() != shape.channels))
    return Error(ExitCode::DataInvalid,
                 format("data.normalize has %zu means and %zu deviations; the images have %u "
                        "channels",
                        mean.size(), deviation.size(), shape.channels));
  for (size_t channel = 0; channel < mean.size(); ++channel)
    if (!std::isfinite(mean[channel]) || !std::isfinite(deviation[channel]) ||
        !(deviation[channel] > 0))
      return Error(ExitCode::DataInvalid,
                   format("data.normalize: mean %g and deviation %g of channel %zu; both must be "
                          "finite, the deviation above 0",
                          double(mean[channel]), double(deviation[channel]), channel));
  PixelConverter converter;
  converter.shape = shape;
  converter.normalization = normalization;
  Kernels kernels = chooseKernels();
  converter.scale = kernels.scale;
  converter.scaleAndNormalize = kernels.scaleAndNormalize;
  return converter;
}

void PixelConverter::convert(const uint8_t *pixels, float *into) const {
  if (normalization.mean.empty())
    return scale(pixels, shape.pixels(), into);
  size_t plane = size_t(shape.height) * shape.width;
  for (size_t channel = 0; channel < shape.channels; ++channel)
    scaleAndNormalize(pixels + channel * plane, plane, normalization.mean[channel],
                      normalization.deviation[channel], into + channel * plane);
}

} // namespace danaus
