// Puts the parts of this folder together: an arena is one allocation, work goes to one stream in
// order.
#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/device/Checks.h"
#include "runtime/device/cpu/CpuInfo.h"
#include "runtime/device/cpu/ThreadTeam.h"
#include "runtime/device/cuda/CudaExecutable.h"
#include "runtime/device/cuda/InputCopies.h"
#include "runtime/device/cuda/StreamAccess.h"

#include <algorithm>
#include <cstring>

namespace danaus {

namespace cuda {
namespace {

class DeviceArena final : public Arena {
public:
  DeviceArena(std::shared_ptr<Context> context, std::shared_ptr<InputCopies> copies,
              CUdeviceptr address, uint64_t size)
      : context(std::move(context)), copies(std::move(copies)), address(address), size(size) {}
  ~DeviceArena() override {
    (void)context->synchronize();
    copies->forget(address, size);
    (void)context->driver().release(address);
  }
  uint64_t bytes() const override { return size; }
  std::byte *host() override { return nullptr; }
  CUdeviceptr start() const { return address; }

private:
  std::shared_ptr<Context> context;
  std::shared_ptr<InputCopies> copies;
  CUdeviceptr address;
  uint64_t size;
};

/// Memory that the driver keeps in place (pinned).
class PinnedMemory final : public HostMemory {
public:
  PinnedMemory(std::shared_ptr<Context> context, void *memory, uint64_t size)
      : context(std::move(context)), memory(memory), size(size) {}
  ~PinnedMemory() override {
    (void)context->synchronize();
    (void)context->driver().releaseHost(memory);
  }
  std::span<std::byte> bytes() override { return {static_cast<std::byte *>(memory), size}; }

private:
  std::shared_ptr<Context> context;
  void *memory;
  uint64_t size;
};

/// The architectures that our compiler names, newest first: a GPU runs code for its own and older
/// ones.
std::vector<std::string> runnableArchs(unsigned sm) {
  std::vector<std::string> names;
  for (unsigned known : {120u, 100u, 90u, 89u, 87u, 86u, 80u, 75u, 70u})
    if (known <= sm)
      names.push_back(format("sm_%u", known));
  return names;
}

class CudaDevice final : public Device {
public:
  CudaDevice(std::string name, std::shared_ptr<Context> context, std::unique_ptr<ThreadTeam> team)
      : name(std::move(name)), context(std::move(context)),
        copies(std::make_shared<InputCopies>(this->context)), team(std::move(team)) {}

  std::string_view kind() const override { return name; }
  std::string_view target() const override { return "cuda"; }
  std::string description() const override { return describe(*context); }
  unsigned threads() const override { return team->size(); }
  uint64_t memoryBytes() const override { return context->memoryBytes(); }
  std::vector<std::string> isas() const override { return runnableArchs(context->sm()); }

  static std::string describe(const Context &context) {
    return format("%s, sm_%u, %d multiprocessors, %s", context.name().c_str(), context.sm(),
                  context.attribute(MultiprocessorCount),
                  formatBytes(context.memoryBytes()).c_str());
  }

  Expected<std::unique_ptr<Arena>> allocateArena(uint64_t bytes) override {
    const Driver &driver = context->driver();
    CUdeviceptr address = 0;
    uint64_t size = std::max<uint64_t>(bytes, ArenaAlign);
    int result = driver.allocate(&address, size);
    if (result == OutOfMemory) {
      size_t free = 0, total = 0;
      (void)driver.memoryInfo(&free, &total);
      return Error(ExitCode::DeviceUnavailable, "the model needs " + formatBytes(bytes) +
                                                    " on the GPU, which has " + formatBytes(free) +
                                                    " free of " + formatBytes(total) +
                                                    "; make the batch smaller (train.batch_size, "
                                                    "train.accumulate) or set train.recompute");
    }
    if (Status status = context->check(result, "allocating " + formatBytes(bytes)); !status)
      return status.takeError();
    auto arena = std::make_unique<DeviceArena>(context, copies, address, bytes);
    if (Status status =
            context->check(driver.fill(address, 0, size, context->stream()), "zeroing memory");
        !status)
      return status.takeError();
    return std::unique_ptr<Arena>(std::move(arena));
  }

  Expected<std::unique_ptr<Code>> loadCode(std::span<const std::byte> bytes,
                                           std::string_view) override {
    return LoadedCode::load(context, bytes);
  }

  Expected<std::unique_ptr<Executable>> loadProgram(Arena &arena, const Code &code,
                                                    const ProgramSpec &program) override {
    if (Status status = checkProgram(program, arena.bytes()); !status)
      return status.takeError();
    return GraphExecutable::load(context, static_cast<DeviceArena &>(arena).start(),
                                 static_cast<const LoadedCode &>(code), program);
  }

  Status copyIn(Arena &arena, uint64_t offset, std::span<const std::byte> from) override {
    if (Status status = checkCopy(arena.bytes(), offset, from.size()); !status || from.empty())
      return status;
    CUdeviceptr to = static_cast<DeviceArena &>(arena).start() + offset;
    StreamSpan span(context->trace(), context->stream(), trace::Kind::Copy, "copy to the GPU");
    return context->check(
        context->driver().copyToDevice(to, from.data(), from.size(), context->stream()),
        "copying to the GPU");
  }
  Status copyOut(Arena &arena, uint64_t offset, std::span<std::byte> to) override {
    if (Status status = checkCopy(arena.bytes(), offset, to.size()); !status || to.empty())
      return status;
    CUdeviceptr from = static_cast<DeviceArena &>(arena).start() + offset;
    int result = Success;
    {
      StreamSpan span(context->trace(), context->stream(), trace::Kind::Copy, "copy from the GPU");
      result = context->driver().copyToHost(to.data(), from, to.size(), context->stream());
    }
    if (Status status = context->check(result, "copying from the GPU"); !status)
      return status;
    trace::Scope scope(trace::Kind::Wait, trace::WaitForDevice);
    return context->synchronize();
  }

  Status copyInAhead(Arena &arena, uint64_t offset, std::span<const std::byte> from) override {
    if (Status status = checkCopy(arena.bytes(), offset, from.size()); !status || from.empty())
      return status;
    return copies->begin(static_cast<DeviceArena &>(arena).start() + offset, from);
  }
  Expected<std::unique_ptr<HostMemory>> allocateHost(uint64_t bytes) override {
    void *memory = nullptr;
    uint64_t size = std::max<uint64_t>(bytes, 1);
    int result = context->driver().allocateHost(&memory, size);
    if (Status status =
            context->check(result, "allocating " + formatBytes(bytes) + " of pinned memory");
        !status)
      return status.takeError();
    std::memset(memory, 0, size);
    return std::unique_ptr<HostMemory>(new PinnedMemory(context, memory, bytes));
  }

  Status submit(Executable &program) override {
    if (Status status = copies->finish(); !status)
      return status;
    pending.push_back(&static_cast<GraphExecutable &>(program));
    return pending.back()->submit();
  }
  Status synchronize() override {
    {
      trace::Scope scope(trace::Kind::Wait, trace::WaitForDevice);
      if (Status status = context->synchronize(); !status)
        return status;
      if (Status status = copies->synchronize(); !status)
        return status;
    }
    for (GraphExecutable *done : std::exchange(pending, {}))
      if (Status status = done->collectTimes(); !status)
        return status;
    return context->trace().collect();
  }

  Status beginTrace() override {
    if (Status status = synchronize(); !status)
      return status;
    return context->beginTrace();
  }
  Expected<std::string> endTrace() override {
    if (Status status = synchronize(); !status)
      return status.takeError();
    return context->trace().end();
  }

  std::vector<KernelCounters> kernelCounters() const override {
    auto count =
        reinterpret_cast<KernelCountersFunction>(context->driver().find("danausKernelCounters"));
    std::vector<KernelCounters> counters(count ? count(nullptr, 0) : 0);
    if (count)
      counters.resize(std::min<size_t>(counters.size(), count(counters.data(), counters.size())));
    return counters;
  }

  void parallelFor(uint64_t n, const std::function<void(uint64_t)> &fn) override {
    team->forEach(n, fn);
  }
  void enterHelperThread() const override { team->freeThisThread(); }

  const std::shared_ptr<Context> &sharedContext() const { return context; }

private:
  static constexpr uint64_t ArenaAlign = 64;
  std::string name;
  std::shared_ptr<Context> context;
  std::shared_ptr<InputCopies> copies;
  std::unique_ptr<ThreadTeam> team;
  std::vector<GraphExecutable *> pending; ///< submitted since the last synchronize
};

Expected<std::shared_ptr<Context>> openContext(DriverKind kind, int ordinal) {
  auto driver = Driver::open(kind);
  if (!driver)
    return driver.takeError();
  return Context::create(std::move(*driver), ordinal);
}

DeviceRegistry::Entry entryOf(const std::string &name, DriverKind kind) {
  auto create = [=](const std::string &argument,
                    const DeviceOptions &options) -> Expected<std::unique_ptr<Device>> {
    bool isNumber = argument.size() < 4 &&
                    std::ranges::all_of(argument, [](char c) { return c >= '0' && c <= '9'; });
    if (!isNumber)
      return Error(ExitCode::Usage, "'" + name + ":" + argument +
                                        "': what follows the colon is the number of a GPU, as in " +
                                        name + ":1");
    auto context = openContext(kind, argument.empty() ? 0 : std::stoi(argument));
    if (!context)
      return context.takeError();
    auto team = ThreadTeam::create(
        options.threads ? options.threads : std::min(usableCores(), ThreadTeam::MaxThreads));
    if (!team)
      return team.takeError();
    return std::unique_ptr<Device>(new CudaDevice(name, std::move(*context), std::move(*team)));
  };
  auto describe = [=] {
    auto context = openContext(kind, 0);
    if (!context)
      return DeviceRow{name, false, context.error().message(), ""};
    return DeviceRow{name, true, "", CudaDevice::describe(**context)};
  };
  return {name, create, describe};
}

} // namespace

std::shared_ptr<Context> contextOf(Device &device) {
  auto *own = dynamic_cast<CudaDevice *>(&device);
  return own ? own->sharedContext() : nullptr;
}

CUdeviceptr addressOf(Arena &arena) { return static_cast<DeviceArena &>(arena).start(); }

unsigned deviceCount(bool isVirtual) {
  int count = 0;
  auto driver = Driver::open(isVirtual ? DriverKind::Virtual : DriverKind::Cuda);
  return driver && (*driver)->deviceCount(&count) == 0 ? unsigned(std::max(count, 0)) : 0;
}

} // namespace cuda

DeviceRegistry::Entry cudaDeviceEntry() { return cuda::entryOf("cuda", cuda::DriverKind::Cuda); }
DeviceRegistry::Entry virtualDeviceEntry() {
  return cuda::entryOf("vgpu", cuda::DriverKind::Virtual);
}

} // namespace danaus
