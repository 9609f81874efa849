// Random values from Philox (runtime/base/Philox.h): the key is a hash of seed and name, the
// counter is the element's index and the attempt, so every element can be drawn by itself.
#include "runtime/exec/Initialize.h"

#include "runtime/base/Philox.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace danaus {

namespace {

/// FNV-1a over the name, then the finalizer of splitmix64 over it and the seed.
PhiloxKey keyOf(uint64_t seed, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char letter : name)
    hash = (hash ^ uint8_t(letter)) * 0x100000001b3;
  uint64_t mixed = hash ^ (seed + 0x9e3779b97f4a7c15);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  mixed ^= mixed >> 31;
  return {uint32_t(mixed), uint32_t(mixed >> 32)};
}

PhiloxCounter draw(uint64_t index, uint32_t attempt, PhiloxKey key) {
  return philox4x32({uint32_t(index), uint32_t(index >> 32), attempt, 0}, key);
}

/// Four elements a block.
void fillUniform(std::span<float> values, float scale, PhiloxKey key) {
  PhiloxCounter block{};
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % 4 == 0)
      block = draw(i / 4, 0, key);
    values[i] = scale * (2 * unitFloat(block[i % 4]) - 1);
  }
}

/// A standard normal value, by Box and Muller; 1 - u keeps the logarithm finite.
double normal(uint32_t first, uint32_t second) {
  double radius = std::sqrt(-2 * std::log(1 - double(unitFloat(first))));
  return radius * std::cos(2 * std::numbers::pi * double(unitFloat(second)));
}

/// Draws until the value is within two standard deviations: one draw in 22 is not.
double truncatedNormal(uint64_t index, PhiloxKey key) {
  for (uint32_t attempt = 0;; ++attempt) {
    PhiloxCounter block = draw(index, attempt, key);
    for (int pair = 0; pair < 4; pair += 2)
      if (double value = normal(block[pair], block[pair + 1]); std::abs(value) <= 2)
        return value;
  }
}

} // namespace

void initialize(std::span<float> values, fb::InitKind kind, double scale, uint64_t seed,
                std::string_view name) {
  switch (kind) {
  case fb::InitKind::Zeros:
    return void(std::ranges::fill(values, 0.0f));
  case fb::InitKind::Ones:
    return void(std::ranges::fill(values, 1.0f));
  case fb::InitKind::Uniform:
    return fillUniform(values, float(scale), keyOf(seed, name));
  case fb::InitKind::TruncatedNormal:
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = float(scale * truncatedNormal(i, keyOf(seed, name)));
  }
}

Status initializeParameters(Executor &executor, uint64_t seed) {
  executor.device().parallelFor(executor.parameterCount(), [&](uint64_t i) {
    const fb::Parameter &info = executor.parameterInfo(i);
    initialize(executor.parameter(i), info.init()->kind(), info.init()->scale(), seed,
               info.name()->string_view());
  });
  return Status::ok();
}

} // namespace danaus
