// See Roofline.h.
#include "runtime/profile/Roofline.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/File.h"
#include "runtime/base/Hash.h"
#include "runtime/base/Json.h"
#include "runtime/device/cpu/CpuInfo.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

namespace danaus {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned Repeats = 5; ///< of which the best counts: a limit, not a mean
constexpr uint64_t Rounds = 2'000'000;
constexpr size_t StreamBytes = 64 << 20; ///< of one array of one thread
constexpr size_t MostStreamBytes = 1 << 30;
constexpr unsigned Chains = 16; ///< independent sums: latency times rate of any processor

/// Chains of multiply-adds that stay in registers; returns something so that nothing is left out.
template <typename Vector> [[gnu::always_inline]] inline float multiplyAdds(uint64_t rounds) {
  Vector sums[Chains], factor, term;
  for (unsigned lane = 0; lane < sizeof(Vector) / sizeof(float); ++lane) {
    factor[lane] = 0.999f;
    term[lane] = 0.001f * float(lane + 1); // sums tend to lane + 1: no number is ever denormal
  }
  for (unsigned i = 0; i < Chains; ++i)
    sums[i] = term + float(i);
  for (uint64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (unsigned i = 0; i < Chains; ++i)
      sums[i] = sums[i] * factor + term;
  }
  float total = 0;
  for (unsigned i = 0; i < Chains; ++i)
    total += sums[i][0];
  return total;
}

typedef float Lanes4 __attribute__((vector_size(16)));
typedef float Lanes8 __attribute__((vector_size(32)));
typedef float Lanes16 __attribute__((vector_size(64)));

[[gnu::target("avx512f,fma")]] float multiplyAdds512(uint64_t rounds) {
  return multiplyAdds<Lanes16>(rounds);
}
[[gnu::target("avx2,fma")]] float multiplyAdds256(uint64_t rounds) {
  return multiplyAdds<Lanes8>(rounds);
}
float multiplyAdds128(uint64_t rounds) { return multiplyAdds<Lanes4>(rounds); }

struct Unit {
  float (*run)(uint64_t rounds);
  unsigned lanes;
};

Unit bestUnit() {
  if (cpuHasFeature("avx512f"))
    return {multiplyAdds512, 16};
  if (cpuHasFeature("avx2") && cpuHasFeature("fma"))
    return {multiplyAdds256, 8};
  return {multiplyAdds128, 4};
}

/// Seconds that all threads need for one call each; the best of some.
template <typename Work> double bestSeconds(Device &device, Work work) {
  double best = 1e9;
  for (unsigned i = 0; i < Repeats; ++i) {
    Clock::time_point start = Clock::now();
    device.parallelFor(device.threads(), work);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

} // namespace

double Roofline::seconds(double flopCount, double byteCount) const {
  return std::max(flopCount / flops, byteCount / bytesPerSecond);
}

Roofline measureRoofline(Device &device) {
  Roofline roofline;
  roofline.threads = device.threads();
  Unit unit = bestUnit();
  std::vector<float> sinks(roofline.threads * 16);
  double seconds =
      bestSeconds(device, [&](uint64_t thread) { sinks[thread * 16] = unit.run(Rounds); });
  roofline.flops = 2.0 * double(Rounds) * Chains * unit.lanes * roofline.threads / seconds;

  std::vector<std::vector<char>> from(roofline.threads), to(roofline.threads);
  size_t streamBytes = std::min(StreamBytes, MostStreamBytes / roofline.threads);
  device.parallelFor(roofline.threads, [&](uint64_t thread) { // on the threads' own memory
    from[thread].assign(streamBytes, 1);
    to[thread].assign(streamBytes, 0);
  });
  seconds = bestSeconds(device, [&](uint64_t thread) {
    std::memcpy(to[thread].data(), from[thread].data(), streamBytes);
  });
  roofline.bytesPerSecond = 2.0 * double(streamBytes) * roofline.threads / seconds;
  return roofline;
}

Roofline knownRoofline(Device &device, const std::string &folder) {
  Hash hash;
  hash.add(cpuModelName());
  hash.add(std::to_string(device.threads()));
  std::string path = joinPath(folder, "roofline-" + hash.hex() + ".json");
  Roofline known;
  known.threads = device.threads();
  if (auto text = readFile(path, 1 << 16, ExitCode::IoError); text && !folder.empty()) {
    auto json = nlohmann::json::parse(*text, nullptr, false);
    if (json.is_object() && json["flops"].is_number() && json["bytes_per_second"].is_number()) {
      known.flops = json["flops"];
      known.bytesPerSecond = json["bytes_per_second"];
      if (known.flops > 1e8 && known.bytesPerSecond > 1e7)
        return known;
    }
  }
  known = measureRoofline(device);
  nlohmann::ordered_json json = {{"processor", cpuModelName()},
                                 {"threads", known.threads},
                                 {"flops", known.flops},
                                 {"bytes_per_second", known.bytesPerSecond}};
  if (!folder.empty() && makeFolders(folder))
    (void)writeFileAtomically(
        path, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return known;
}

} // namespace danaus
