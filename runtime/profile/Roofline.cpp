// See Roofline.h.
#include "runtime/profile/Roofline.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/File.h"
#include "runtime/base/Hash.h"
#include "runtime/base/Json.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "runtime/profile/PeakRates.h"

#include <algorithm>
#include <optional>
#include <unistd.h>

namespace danaus {

namespace {

constexpr size_t StreamBytes = 64 << 20; ///< of one array of one thread
constexpr size_t MostStreamBytes = 1 << 30;

/// A quarter of the second-level cache: both arrays fill half of it.
size_t cachedBytes() {
  constexpr long usual = 1 << 20;
  long size = ::sysconf(_SC_LEVEL2_CACHE_SIZE);
  return size_t(size > 0 ? size : usual) / 4;
}

/// The numbers of a file with their names in it.
struct Number {
  const char *name;
  double Roofline::*value;
  double least; ///< less is no measurement
};
constexpr Number numbers[] = {{"flops", &Roofline::flops, 1e8},
                              {"matrix_flops", &Roofline::matrixFlops, 0},
                              {"bytes_per_second", &Roofline::bytesPerSecond, 1e7},
                              {"cache_bytes_per_second", &Roofline::cacheBytesPerSecond, 1e7}};

std::optional<Roofline> readRoofline(const std::string &path, unsigned threads) {
  auto text = readFile(path, 1 << 16, ExitCode::IoError);
  if (!text)
    return std::nullopt;
  auto json = nlohmann::json::parse(*text, nullptr, false);
  Roofline known;
  known.threads = threads;
  for (const Number &number : numbers) {
    if (!json.is_object() || !json[number.name].is_number())
      return std::nullopt;
    known.*number.value = json[number.name];
    if (!(known.*number.value >= number.least))
      return std::nullopt;
  }
  return known;
}

} // namespace

double Roofline::matrixRate(unsigned products) const {
  double rate = matrixFlops / std::max(products, 1u);
  return products > 1 ? std::max(flops, rate) : rate;
}

double Roofline::seconds(const KernelWork &work) const {
  double onVectors = (work.flops - work.matrixFlops) / flops;
  double onMatrices = work.matrixFlops > 0 ? work.matrixFlops / matrixRate(work.matrixProducts) : 0;
  return std::max({onVectors, onMatrices, work.bytes / bytesPerSecond});
}

Roofline measureRoofline(Device &device) {
  Roofline roofline;
  roofline.threads = device.threads();
  roofline.flops = measureFloat32Rate(device);
  roofline.matrixFlops = measureMatrixRate(device);
  size_t bytes = std::min(StreamBytes, MostStreamBytes / roofline.threads);
  roofline.bytesPerSecond = measureCopyRate(device, bytes, bytes);
  roofline.cacheBytesPerSecond = measureCopyRate(device, cachedBytes(), 4 * StreamBytes);
  return roofline;
}

Roofline knownRoofline(Device &device, const std::string &folder) {
  Hash hash;
  hash.add(cpuModelName());
  hash.add(std::to_string(device.threads()));
  std::string path = joinPath(folder, "roofline-" + hash.hex() + ".json");
  if (!folder.empty())
    if (auto known = readRoofline(path, device.threads()))
      return *known;
  Roofline measured = measureRoofline(device);
  nlohmann::ordered_json json = {{"processor", cpuModelName()}, {"threads", measured.threads}};
  for (const Number &number : numbers)
    json[number.name] = measured.*number.value;
  if (!folder.empty() && makeFolders(folder))
    (void)writeFileAtomically(
        path, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return measured;
}

} // namespace danaus
