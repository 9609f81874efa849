// See Mix.h.
#include "runtime/data/Mix.h"

#include "runtime/data/RandomStream.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace danaus {

namespace {

/// Standard normal, by Box and Muller.
double drawNormal(RandomStream &numbers) {
  double radius = std::sqrt(-2 * std::log(1 - numbers.unit()));
  return radius * std::cos(2 * std::numbers::pi * numbers.unit());
}

/// The logarithm of a Gamma(alpha): small alphas give numbers that no double could hold.
double drawLogGamma(double alpha, RandomStream &numbers) {
  // Gamma(alpha) = Gamma(alpha + 1) U^(1 / alpha)
  double boost = alpha < 1 ? std::log(1 - numbers.unit()) / alpha : 0;
  double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    double x = drawNormal(numbers), root = 1 + c * x;
    if (root <= 0)
      continue;
    double v = root * root * root, u = 1 - numbers.unit();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v))
      return std::log(d * v) + boost;
  }
}

} // namespace

void mixPair(const Mix &mix, const ImageShape &image, float *first, float *second) {
  if (mix.kind == MixKind::Mixup) {
    float weight = mix.weight, rest = 1 - weight;
    for (size_t i = 0; i < image.pixels(); ++i) {
      float a = first[i], b = second[i];
      first[i] = weight * a + rest * b;
      second[i] = weight * b + rest * a;
    }
    return;
  }
  const PixelBox &box = mix.box;
  for (size_t row = 0; row < size_t(image.channels) * image.height; ++row) {
    size_t y = row % image.height, at = row * image.width + box.left;
    if (y >= box.top && y < box.top + box.height)
      std::swap_ranges(first + at, first + at + box.width, second + at);
  }
}

double drawBeta(double alpha, RandomStream &numbers) {
  double x = drawLogGamma(alpha, numbers), y = drawLogGamma(alpha, numbers);
  return 1 / (1 + std::exp(y - x));
}

PixelBox drawCutmixBox(double lambda, const ImageShape &image, RandomStream &numbers) {
  double side = std::sqrt(1 - lambda);
  auto reach = [&](uint32_t size, uint32_t &begin, uint32_t &length) {
    int64_t half = int64_t(size * side) / 2, center = numbers.below(size);
    int64_t low = std::max<int64_t>(center - half, 0);
    begin = uint32_t(low);
    length = uint32_t(std::min<int64_t>(center + half, size) - low);
  };
  PixelBox box;
  reach(image.width, box.left, box.width);
  reach(image.height, box.top, box.height);
  return box;
}

Mix drawMix(const MixOptions &options, const ImageShape &image, uint64_t seed, uint64_t epoch,
            uint64_t step) {
  Mix mix;
  if (!options.any())
    return mix;
  RandomStream numbers(seed, uint32_t(step), uint32_t(epoch), RandomUse::Mix);
  bool second = numbers.unit() < 0.5;
  bool both = options.mixupAlpha > 0 && options.cutmixAlpha > 0;
  mix.kind = both ? (second ? MixKind::Cutmix : MixKind::Mixup)
                  : (options.mixupAlpha > 0 ? MixKind::Mixup : MixKind::Cutmix);
  if (mix.kind == MixKind::Mixup) {
    mix.weight = float(drawBeta(options.mixupAlpha, numbers));
    return mix;
  }
  mix.box = drawCutmixBox(drawBeta(options.cutmixAlpha, numbers), image, numbers);
  double exchanged = double(mix.box.height) * mix.box.width;
  mix.weight = float(1 - exchanged / (double(image.height) * image.width));
  return mix;
}

void mixBatch(const Mix &mix, const ImageShape &image, std::span<float> input,
              std::span<const int32_t> labels, std::span<int32_t> mixLabels,
              std::span<float> mixWeights) {
  if (mix.kind == MixKind::None)
    return;
  size_t rows = labels.size(), pixels = image.pixels();
  for (size_t row = 0; row < rows / 2; ++row)
    mixPair(mix, image, input.data() + row * pixels, input.data() + (rows - 1 - row) * pixels);
  for (size_t row = 0; row < rows; ++row) {
    mixLabels[row] = labels[rows - 1 - row];
    mixWeights[row] = mix.weight;
  }
}

} // namespace danaus
