// The registry of devices and the list of those that this build knows.
#include "runtime/device/Device.h"

#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/device/cuda/CudaDevice.h"
#include "runtime/device/null/NullDevice.h"

namespace danaus {

namespace {
class PlainMemory final : public HostMemory {
public:
  explicit PlainMemory(uint64_t bytes) : content(bytes) {}
  std::span<std::byte> bytes() override { return content; }

private:
  std::vector<std::byte> content;
};
} // namespace

Expected<std::unique_ptr<HostMemory>> Device::allocateHost(uint64_t bytes) {
  return std::unique_ptr<HostMemory>(new PlainMemory(bytes));
}

Expected<std::unique_ptr<Device>> DeviceRegistry::create(const std::string &spec,
                                                         const DeviceOptions &options) const {
  size_t colon = spec.find(':');
  std::string kind = spec.substr(0, colon);
  std::string argument = colon == std::string::npos ? "" : spec.substr(colon + 1);
  std::string known;
  for (const Entry &entry : entries) {
    if (entry.kind == kind)
      return entry.create(argument, options);
    known += (known.empty() ? "" : ", ") + entry.kind;
  }
  return Error(ExitCode::Usage, "no device is called '" + spec + "'; this build knows " + known);
}

std::vector<DeviceRow> DeviceRegistry::describe() const {
  std::vector<DeviceRow> rows;
  for (const Entry &entry : entries)
    rows.push_back(entry.describe());
  return rows;
}

DeviceRegistry builtinDevices() {
  DeviceRegistry registry;
  registry.add(cpuDeviceEntry());
  registry.add(cudaDeviceEntry());
  registry.add(virtualDeviceEntry());
  registry.add(nullDeviceEntry());
  return registry;
}

std::vector<DeviceRow> describeDevices() { return builtinDevices().describe(); }

} // namespace danaus
