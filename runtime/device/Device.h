// What the runtime asks of a machine that can run compiled kernels: memory (Arena), code (Code),
// a program ready to be replayed (Executable) and the Device that makes and runs them. Sized for
// what the CPU, the null device (the template for a new one) and CUDA with captured graphs need.
// Knows nothing of model files. A device belongs to the thread that made it: its calls are not
// thread-safe; the threads that it starts itself are its own affair.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/device/KernelCounters.h"
#include "runtime/device/ThreadCounters.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace danaus {

/// One entry point of a code section.
struct KernelSpec {
  std::string symbol;
  uint64_t tiles = 1;        ///< calls of the entry point: tile = 0 .. tiles-1, in any order
  uint64_t scratchBytes = 0; ///< private to one call
  uint32_t arguments = 0;    ///< number of buffers
};

/// One use of a kernel on buffers of the arena.
struct LaunchSpec {
  uint32_t kernel = 0;           ///< index into ProgramSpec::kernels
  std::vector<uint64_t> buffers; ///< byte offsets in the arena
  std::string label;             ///< what it computes, in layer names: for traces
};

/// What a device replays as one step: stages in order, the launches of a stage in any order.
struct ProgramSpec {
  std::vector<KernelSpec> kernels;
  std::vector<std::vector<LaunchSpec>> stages;
};

/// One allocation on a device, zeroed, aligned to ArenaAlignment. Freed with the object, which must
/// not outlive its device.
class Arena {
public:
  virtual ~Arena() = default;
  virtual uint64_t bytes() const = 0;
  /// The arena's first byte if the host can read and write it in place, else null.
  virtual std::byte *host() = 0;
};

/// Host memory that a device copies from fastest. Freed with the object.
class HostMemory {
public:
  virtual ~HostMemory() = default;
  virtual std::span<std::byte> bytes() = 0;
};

/// Loaded machine code.
class Code {
public:
  virtual ~Code() = default;
};

enum class Timing { Off, On };

/// Of all tiles of a launch, on all threads together.
struct LaunchSums {
  uint64_t nanoseconds = 0;
  ThreadCounters::Counts counts = {}; ///< zeros on a device that does not run on threads
  bool operator==(const LaunchSums &) const = default;
};

/// A program bound to an arena and to code: both must outlive it.
class Executable {
public:
  virtual ~Executable() = default;
  /// Starts or stops adding up the time of each launch; starting sets all sums to zero. `counters`
  /// (null: none) are read as well until timing stops, where the device runs on threads.
  virtual void setTiming(Timing timing, ThreadCounters *counters = nullptr) = 0;
  /// Sums per launch since setTiming(On), stage by stage in the order of the program. Empty if
  /// timing was never on. Needs a synchronize first.
  virtual std::vector<LaunchSums> launchSums() const = 0;
  /// Launches done since it was loaded.
  virtual uint64_t launchCount() const = 0;
};

/// A row of `danaus devices`.
struct DeviceRow {
  std::string name;       ///< "cpu"
  bool available = false; ///< `whyNot` says why if false
  std::string whyNot;
  std::string description; ///< "AMD EPYC 9R45, 2 of 2 cores, avx512, 15.2 GiB"
};

class Device {
public:
  virtual ~Device() = default;

  virtual std::string_view kind() const = 0;   ///< "cpu", as a user types it
  virtual std::string_view target() const = 0; ///< whose plans it runs, as in TargetPlan.target
  virtual std::string description() const = 0;
  virtual unsigned threads() const = 0;     ///< that parallelFor uses; at least 1
  virtual uint64_t memoryBytes() const = 0; ///< of the machine or card; the most an arena can have

  /// The ISAs or architectures that it runs, best first: "avx512", "avx2", "baseline".
  virtual std::vector<std::string> isas() const = 0;

  /// DeviceUnavailable with the bytes asked for when memory is short.
  virtual Expected<std::unique_ptr<Arena>> allocateArena(uint64_t bytes) = 0;
  /// DeviceUnavailable when the machine lacks `isa`, CheckpointInvalid when the bytes are no code.
  virtual Expected<std::unique_ptr<Code>> loadCode(std::span<const std::byte> bytes,
                                                   std::string_view isa) = 0;
  /// CheckpointInvalid when a symbol is missing or an index or offset is out of range.
  virtual Expected<std::unique_ptr<Executable>> loadProgram(Arena &arena, const Code &code,
                                                            const ProgramSpec &program) = 0;

  /// Copies between host memory and [offset, offset + size) of an arena; Internal when that is
  /// not inside. In order with submit.
  virtual Status copyIn(Arena &arena, uint64_t offset, std::span<const std::byte> from) = 0;
  virtual Status copyOut(Arena &arena, uint64_t offset, std::span<std::byte> to) = 0;

  /// As copyIn, but begins at once, beside what was submitted before, and takes effect before what
  /// is submitted next. `from` must stay as it is until the next synchronize; of two calls for one
  /// place the last counts.
  virtual Status copyInAhead(Arena &arena, uint64_t offset, std::span<const std::byte> from) {
    return copyIn(arena, offset, from);
  }
  /// Zeroed memory for copyInAhead; DeviceUnavailable when there is none.
  virtual Expected<std::unique_ptr<HostMemory>> allocateHost(uint64_t bytes);

  /// Replays all stages once. May return before they are done.
  virtual Status submit(Executable &program) = 0;
  /// Waits for everything submitted.
  virtual Status synchronize() = 0;

  /// Called before a recording of spans begins (runtime/trace), with nothing submitted: what runs
  /// beside the host's threads is recorded as well until endTrace. For devices that do.
  virtual Status beginTrace() { return Status::ok(); }
  /// Called before the recording ends. Answers whence times of the device are; empty where it runs
  /// on the host's threads and clock.
  virtual Expected<std::string> endTrace() { return std::string(); }

  /// What kernels have done since the process began, where the device counts it; else empty. Of all
  /// devices of its kind together.
  virtual std::vector<KernelCounters> kernelCounters() const { return {}; }

  /// Host work such as filling a batch: calls fn(i) for i = 0 .. n-1, each once, on the device's
  /// host threads, and returns when all are done. fn must not throw nor call the device.
  virtual void parallelFor(uint64_t n, const std::function<void(uint64_t)> &fn) = 0;

  /// Called first by a thread that was started for host work beside the device's own, on itself and
  /// while other threads use the device: undoes what the thread inherited from the one that started
  /// it, such as being tied to one core.
  virtual void enterHelperThread() const {}
};

struct DeviceOptions {
  unsigned threads = 0; ///< 0: as many as this process may use cores
};

/// Where devices are found by name. Not a singleton: builtinDevices() makes one, tests make others.
class DeviceRegistry {
public:
  struct Entry {
    std::string kind;
    /// Makes the device; `argument` is what follows the colon in "cuda:1", else empty.
    std::function<Expected<std::unique_ptr<Device>>(const std::string &argument,
                                                    const DeviceOptions &options)>
        create;
    std::function<DeviceRow()> describe;
  };

  void add(Entry entry) { entries.push_back(std::move(entry)); }

  /// "cpu", "null". Usage for a name that nobody registered, naming those that are.
  Expected<std::unique_ptr<Device>> create(const std::string &spec,
                                           const DeviceOptions &options = {}) const;
  std::vector<DeviceRow> describe() const;

private:
  std::vector<Entry> entries;
};

/// The devices that this build knows.
DeviceRegistry builtinDevices();

/// The rows of `danaus devices`.
std::vector<DeviceRow> describeDevices();

} // namespace danaus
