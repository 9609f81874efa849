// Puts the parts of this folder together: arenas in host memory, shared objects as code, a thread
// team that replays programs. A submit runs the step at once; synchronize has nothing left to do.
#include "runtime/device/cpu/CpuDevice.h"

#include "runtime/device/Checks.h"
#include "runtime/device/HostArena.h"
#include "runtime/device/cpu/CpuCode.h"
#include "runtime/device/cpu/CpuExecutable.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "runtime/device/cpu/ThreadTeam.h"

#include <algorithm>

namespace danaus {

namespace {

std::vector<std::string> supportedIsas() {
  std::vector<std::string> isas = knownIsas();
  std::erase_if(isas, [](const std::string &isa) { return !checkIsa(isa); });
  return isas;
}

/// "AMD EPYC 9R45, 2 threads, avx512, 15.2 GiB"
std::string describe(const std::string &parallelism) {
  std::vector<std::string> isas = supportedIsas();
  return cpuModelName() + ", " + parallelism + ", " + (isas.empty() ? "no known ISA" : isas[0]) +
         ", " + formatBytes(usableMemoryBytes());
}

class CpuDevice final : public Device {
public:
  explicit CpuDevice(std::unique_ptr<ThreadTeam> threads)
      : team(std::move(threads)), scratch(team->size(), usableMemoryBytes()) {}

  std::string_view kind() const override { return "cpu"; }
  std::string_view target() const override { return "cpu"; }
  std::string description() const override {
    return describe(format("%u thread%s", threads(), threads() == 1 ? "" : "s"));
  }
  unsigned threads() const override { return team->size(); }
  uint64_t memoryBytes() const override { return usableMemoryBytes(); }
  std::vector<std::string> isas() const override { return supportedIsas(); }

  Expected<std::unique_ptr<Arena>> allocateArena(uint64_t bytes) override {
    return HostArena::allocate(bytes, memoryBytes());
  }

  Expected<std::unique_ptr<Code>> loadCode(std::span<const std::byte> bytes,
                                           std::string_view isa) override {
    if (Status status = checkIsa(isa); !status)
      return status.takeError();
    if (isa == "amx")
      if (Status status = requestMatrixTiles(); !status)
        return status.takeError();
    return CpuCode::load(bytes);
  }

  Expected<std::unique_ptr<Executable>> loadProgram(Arena &arena, const Code &code,
                                                    const ProgramSpec &program) override {
    if (Status status = checkProgram(program, arena.bytes()); !status)
      return status.takeError();
    uint64_t scratchBytes = 0;
    for (const KernelSpec &kernel : program.kernels)
      scratchBytes = std::max(scratchBytes, kernel.scratchBytes);
    if (Status status = scratch.reserve(scratchBytes); !status)
      return status.takeError();
    return CpuExecutable::load(arena.host(), static_cast<const CpuCode &>(code), program, scratch,
                               threads());
  }

  Status copyIn(Arena &arena, uint64_t offset, std::span<const std::byte> from) override {
    return copyIntoHostArena(arena, offset, from);
  }
  Status copyOut(Arena &arena, uint64_t offset, std::span<std::byte> to) override {
    return copyFromHostArena(arena, offset, to);
  }

  Status submit(Executable &program) override {
    static_cast<CpuExecutable &>(program).replay(*team);
    return Status::ok();
  }
  Status synchronize() override { return Status::ok(); }

  void parallelFor(uint64_t n, const std::function<void(uint64_t)> &fn) override {
    team->forEach(n, fn);
  }

  void enterHelperThread() const override { team->freeThisThread(); }

private:
  std::unique_ptr<ThreadTeam> team;
  ScratchPool scratch;
};

Expected<std::unique_ptr<Device>> createCpuDevice(const std::string &argument,
                                                  const DeviceOptions &options) {
  if (!argument.empty())
    return Error(ExitCode::Usage, "the cpu device takes no argument, not ':" + argument +
                                      "'; --threads sets the number of threads");
  Expected<std::unique_ptr<ThreadTeam>> team = ThreadTeam::create(
      options.threads ? options.threads : std::min(usableCores(), ThreadTeam::MaxThreads));
  if (!team)
    return team.takeError();
  return std::unique_ptr<Device>(new CpuDevice(std::move(*team)));
}

} // namespace

DeviceRegistry::Entry cpuDeviceEntry() {
  auto describeRow = [] {
    return DeviceRow{"cpu", true, "", describe(format("%u cores usable", usableCores()))};
  };
  return {"cpu", createCpuDevice, describeRow};
}

} // namespace danaus
