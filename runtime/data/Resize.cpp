// The two passes. Both are loops over neighbouring bytes with one weight, which compilers turn into
// vectors: the pass across takes 16 rows at a time, turned so that their pixels are neighbours.
#include "runtime/data/Resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace danaus {

namespace {

constexpr int fractionBits = 22;
constexpr int32_t half = 1 << (fractionBits - 1);
constexpr size_t lanes = 16;   ///< rows that the pass across takes at once
constexpr size_t stretch = 64; ///< pixels that the pass down takes at once

[[gnu::always_inline]] inline uint8_t toByte(int32_t sum) {
  return uint8_t(std::min(sum >> fractionBits, 255));
}

/// columns: (inputs from taps.low() on) x lanes; results: outputs x lanes.
[[gnu::always_inline]] inline void
acrossBody(const ResizeTaps &taps, const uint8_t *__restrict columns, uint8_t *__restrict results) {
  uint32_t low = taps.low();
  for (size_t output = 0; output < taps.length; ++output) {
    const int32_t *weights = taps.weights.data() + output * taps.most;
    const uint8_t *column = columns + (taps.first[output] - low) * lanes;
    int32_t sums[lanes];
    for (size_t lane = 0; lane < lanes; ++lane)
      sums[lane] = half;
    for (uint32_t tap = 0; tap < taps.count[output]; ++tap, column += lanes)
      for (size_t lane = 0; lane < lanes; ++lane)
        sums[lane] += weights[tap] * column[lane];
    for (size_t lane = 0; lane < lanes; ++lane)
      results[output * lanes + lane] = toByte(sums[lane]);
  }
}

/// rows: (inputs from taps.low() on) x width, padded to a multiple of `stretch` at the end.
[[gnu::always_inline]] inline void downBody(const ResizeTaps &taps, const uint8_t *__restrict rows,
                                            size_t width, uint8_t *__restrict into) {
  uint32_t low = taps.low();
  for (size_t output = 0; output < taps.length; ++output, into += width) {
    const int32_t *weights = taps.weights.data() + output * taps.most;
    for (size_t begin = 0; begin < width; begin += stretch) {
      const uint8_t *row = rows + (taps.first[output] - low) * width + begin;
      int32_t sums[stretch];
      for (size_t x = 0; x < stretch; ++x)
        sums[x] = half;
      for (uint32_t tap = 0; tap < taps.count[output]; ++tap, row += width)
        for (size_t x = 0; x < stretch; ++x)
          sums[x] += weights[tap] * row[x];
      uint8_t bytes[stretch];
      for (size_t x = 0; x < stretch; ++x)
        bytes[x] = toByte(sums[x]);
      std::memcpy(into + begin, bytes, std::min(stretch, width - begin));
    }
  }
}

struct Kernels {
  void (*across)(const ResizeTaps &, const uint8_t *columns, uint8_t *results);
  void (*down)(const ResizeTaps &, const uint8_t *rows, size_t width, uint8_t *into);
};

#define DANAUS_RESIZE_KERNELS(NAME, ATTRIBUTE)                                                     \
  ATTRIBUTE void across##NAME(const ResizeTaps &taps, const uint8_t *columns, uint8_t *results) {  \
    acrossBody(taps, columns, results);                                                            \
  }                                                                                                \
  ATTRIBUTE void down##NAME(const ResizeTaps &taps, const uint8_t *rows, size_t width,             \
                            uint8_t *into) {                                                       \
    downBody(taps, rows, width, into);                                                             \
  }
DANAUS_RESIZE_KERNELS(Plain, )
#if defined(__x86_64__)
DANAUS_RESIZE_KERNELS(Avx2, [[gnu::target("avx2")]])
DANAUS_RESIZE_KERNELS(Avx512, [[gnu::target("avx512f,avx512bw")]])
#endif
#undef DANAUS_RESIZE_KERNELS

Kernels chooseKernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
    return {acrossAvx512, downAvx512};
  if (__builtin_cpu_supports("avx2"))
    return {acrossAvx2, downAvx2};
#endif
  return {acrossPlain, downPlain};
}

const Kernels &kernels() {
  static const Kernels chosen = chooseKernels();
  return chosen;
}

/// The middle of output i in inputs, and how far its filter reaches.
struct Filter {
  double scale, stretch, reach;
  Filter(uint32_t inputs, uint32_t outputs)
      : scale(double(inputs) / outputs), stretch(std::max(scale, 1.0)), reach(stretch) {}
};

} // namespace

void ResizeTaps::prepare(uint32_t fromInputs, uint32_t toOutputs, uint32_t from, uint32_t wanted) {
  if (inputs == fromInputs && outputs == toOutputs && begin == from && length == wanted)
    return;
  inputs = fromInputs, outputs = toOutputs, begin = from, length = wanted;
  Filter filter(inputs, outputs);
  most = uint32_t(std::ceil(filter.reach)) * 2 + 1;
  first.resize(length);
  count.resize(length);
  weights.assign(size_t(length) * most, 0);
  std::vector<double> exact(most);
  for (uint32_t output = 0; output < length; ++output) {
    double center = (begin + output + 0.5) * filter.scale;
    int64_t low = std::max<int64_t>(int64_t(center - filter.reach + 0.5), 0);
    int64_t high = std::min<int64_t>(int64_t(center + filter.reach + 0.5), inputs);
    double sum = 0;
    for (int64_t input = low; input < high; ++input) {
      double distance = std::abs((double(input) - center + 0.5) * (1.0 / filter.stretch));
      sum += exact[size_t(input - low)] = std::max(1.0 - distance, 0.0);
    }
    first[output] = uint32_t(low);
    count[output] = uint32_t(high - low);
    for (int64_t input = low; input < high; ++input)
      weights[size_t(output) * most + size_t(input - low)] =
          int32_t(0.5 + exact[size_t(input - low)] / sum * (1 << fractionBits));
  }
}

void Resizer::passAcross(const uint8_t *plane, size_t stride, size_t rowCount) {
  size_t used = across.high() - across.low(), width = across.length;
  columns.resize(used * lanes);
  results.resize(width * lanes);
  rows.resize(rowCount * width + stretch);
  for (size_t begin = 0; begin < rowCount; begin += lanes) {
    size_t real = std::min(lanes, rowCount - begin);
    const uint8_t *sources[lanes];
    for (size_t lane = 0; lane < lanes; ++lane)
      sources[lane] = plane + (begin + std::min(lane, real - 1)) * stride;
    for (size_t x = 0; x < used; ++x)
      for (size_t lane = 0; lane < lanes; ++lane)
        columns[x * lanes + lane] = sources[lane][x];
    kernels().across(across, columns.data(), results.data());
    for (size_t lane = 0; lane < real; ++lane) {
      uint8_t *row = rows.data() + (begin + lane) * width;
      for (size_t x = 0; x < width; ++x)
        row[x] = results[x * lanes + lane];
    }
  }
}

void Resizer::resize(const ImageView &from, uint32_t height, uint32_t width, const PixelBox &box,
                     uint8_t *into) {
  across.prepare(from.shape.width, width, box.left, box.width);
  down.prepare(from.shape.height, height, box.top, box.height);
  const uint8_t *plane = from.pixels + down.low() * from.rowStride + across.low();
  for (uint32_t channel = 0; channel < from.shape.channels; ++channel) {
    passAcross(plane + channel * from.planeStride, from.rowStride, down.high() - down.low());
    kernels().down(down, rows.data(), box.width, into);
    into += size_t(box.height) * box.width;
  }
}

} // namespace danaus
