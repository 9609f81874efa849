// A device needs: an Arena, a Code, an Executable, the Device that makes them, and an entry for
// the registry (Device.cpp). Each class below says what a real one does in its place; the
// conformance suite (test/runtime/device) says whether it does it right.
#include "runtime/device/null/NullDevice.h"

#include "runtime/device/Checks.h"
#include "runtime/device/HostArena.h"
#include "runtime/device/cpu/CpuInfo.h"

namespace danaus {

namespace {

/// A real device keeps the handle of the loaded module here and unloads it in the destructor.
class NullCode final : public Code {};

/// A real device resolves kernels and buffers here, once: a function and an argument list a launch,
/// or a captured graph.
class NullExecutable final : public Executable {
public:
  explicit NullExecutable(uint64_t launchesPerStep) : launchesPerStep(launchesPerStep) {}

  void setTiming(Timing timing, ThreadCounters *) override {
    if (timing == Timing::On)
      sums.assign(launchesPerStep, {});
  }
  std::vector<LaunchSums> launchSums() const override { return sums; }
  uint64_t launchCount() const override { return launches; }

  void replay() { launches += launchesPerStep; }

private:
  uint64_t launchesPerStep, launches = 0;
  std::vector<LaunchSums> sums;
};

class NullDevice final : public Device {
public:
  std::string_view kind() const override { return "null"; }
  std::string_view target() const override { return "cpu"; }
  std::string description() const override { return "runs nothing; for tests and overheads"; }
  unsigned threads() const override { return 1; }
  uint64_t memoryBytes() const override { return usableMemoryBytes(); }
  std::vector<std::string> isas() const override { return {"avx512", "avx2", "baseline"}; }

  /// A real device allocates its own memory; host() is null unless the host can use it in place.
  Expected<std::unique_ptr<Arena>> allocateArena(uint64_t bytes) override {
    return HostArena::allocate(bytes, memoryBytes());
  }

  /// A real device checks `isa` against the hardware, and the bytes.
  Expected<std::unique_ptr<Code>> loadCode(std::span<const std::byte> bytes,
                                           std::string_view isa) override {
    return std::unique_ptr<Code>(new NullCode);
  }

  Expected<std::unique_ptr<Executable>> loadProgram(Arena &arena, const Code &code,
                                                    const ProgramSpec &program) override {
    if (Status status = checkProgram(program, arena.bytes()); !status)
      return status.takeError();
    uint64_t launches = 0;
    for (const std::vector<LaunchSpec> &stage : program.stages)
      launches += stage.size();
    return std::unique_ptr<Executable>(new NullExecutable(launches));
  }

  Status copyIn(Arena &arena, uint64_t offset, std::span<const std::byte> from) override {
    return copyIntoHostArena(arena, offset, from);
  }
  Status copyOut(Arena &arena, uint64_t offset, std::span<std::byte> to) override {
    return copyFromHostArena(arena, offset, to);
  }

  /// A real device queues the work on its stream and returns.
  Status submit(Executable &program) override {
    static_cast<NullExecutable &>(program).replay();
    return Status::ok();
  }
  /// A real device waits for its stream, and reports what failed since the last call.
  Status synchronize() override { return Status::ok(); }

  void parallelFor(uint64_t n, const std::function<void(uint64_t)> &fn) override {
    for (uint64_t i = 0; i < n; ++i)
      fn(i);
  }
};

} // namespace

DeviceRegistry::Entry nullDeviceEntry() {
  auto create = [](const std::string &argument,
                   const DeviceOptions &) -> Expected<std::unique_ptr<Device>> {
    if (!argument.empty())
      return Error(ExitCode::Usage, "the null device takes no argument, not ':" + argument + "'");
    return std::unique_ptr<Device>(new NullDevice);
  };
  auto describe = [] { return DeviceRow{"null", true, "", NullDevice().description()}; };
  return {"null", create, describe};
}

} // namespace danaus
