// One phase of a compiled model on one device: picks the plan, allocates the arena, and gives typed
// access to what lies in it. Initialises nothing (Initialize.h does) and knows nothing of data,
// epochs or checkpoints (runtime/train does).
#pragma once

#include "runtime/base/Status.h"
#include "runtime/comm/Communicator.h"
#include "runtime/device/Device.h"
#include "runtime/plan/ModelFile.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace danaus {

/// Views are host memory: the arena in place, or where the host does not see it a copy, which is
/// brought here when it is asked for and goes back before the next step if it can have been
/// written. Valid as long as the executor, and stale while a step is submitted and after it: ask
/// again. run() returns after the step is done.
class Executor {
public:
  /// Opens phase `phase` of `file`. The file, the device and the ranks (null: one alone) must
  /// outlive the executor. The arena is zero: call initializeParameters or write them.
  /// DeviceUnavailable when no plan fits the device or its memory; CheckpointInvalid when the code
  /// is broken.
  static Expected<std::unique_ptr<Executor>> open(const ModelFile &file, Device &device,
                                                  size_t phase, Communicator *ranks = nullptr);
  ~Executor();

  const fb::Model &model() const { return file->model(); }
  /// Opens the last phase: the model as it ends up.
  static Expected<std::unique_ptr<Executor>> open(const ModelFile &file, Device &device) {
    return open(file, device, file.model().phases()->size() - 1);
  }

  /// Whether every phase of `file` has a plan for the device: DeviceUnavailable where one has none.
  static Status checkPlans(const ModelFile &file, Device &device);

  const fb::Phase &phase() const { return *currentPhase; }
  const fb::TargetPlan &plan() const { return *currentPlan; }
  Device &device() { return *owner; }
  /// With whom the sums of an update are shared.
  Communicator &ranks() { return others ? *others : alone; }
  unsigned threads() const { return owner->threads(); }
  uint64_t plannedBytes() const { return currentPlan->arena_bytes(); }

  // Parameters, in the order of phase().parameters(); all float32, row-major.
  size_t parameterCount() const { return currentPhase->parameters()->size(); }
  const fb::Parameter &parameterInfo(size_t index) const {
    return *currentPhase->parameters()->Get(unsigned(index));
  }
  std::span<float> parameter(size_t index);
  std::span<float> gradient(size_t index);
  /// The same for who writes nothing there: from a device it is only brought here.
  std::span<const float> readGradient(size_t index);
  /// The elements of a parameter that a rank updates: all, or where updates are sharded
  /// (dist.sharded) those of its part, perhaps none.
  struct Share {
    uint64_t first = 0, count = 0;
  };
  Share shareOf(size_t index, unsigned rank) const;
  /// Whether ranks have only shares, and states of them alone.
  bool isSharded() const { return currentPlan->shards() && currentPlan->shards()->size() > 0; }
  /// Optimizer state `slot` of this rank's share of a parameter: sgd with momentum has slot 0, adam
  /// m = 0 and v = 1.
  std::span<float> state(size_t index, size_t slot);
  /// Whether the last state is the moving average of the parameter.
  bool keepsAverages() const { return model().training()->ema() > 0; }
  /// The moving average of this rank's share; empty also where the model keeps none.
  std::span<float> average(size_t index);
  /// This rank's share of a parameter itself.
  std::span<float> ownParameter(size_t index);
  /// Where updates are sharded: gives all ranks what each of them has in its shares of the
  /// parameters.
  Status gatherParameters();
  /// States per parameter, a moving average counted: 0 to 3.
  size_t stateCount() const { return states; }

  /// The index of a parameter by name; nothing when there is none.
  std::optional<size_t> findParameter(std::string_view name) const;

  // The step's inputs and outputs.
  std::span<float> input();   ///< batch * the model's input shape
  std::span<int32_t> label(); ///< batch; -1 pads a short batch
  /// Where rows are mixed (mixup, cutmix): the second label of each row, and the weight of the
  /// first, 1 being not mixed. Both empty where the model does not mix; zero until written.
  std::span<int32_t> mixLabel();
  std::span<float> mixWeight();
  std::span<float> control(); ///< Control.h
  std::span<const float> metrics();
  std::span<const float> logits(); ///< batch * classes; empty if the plan does not keep them

  /// Rows of a step; 0 when the plan lacks the program.
  uint64_t batch(fb::ProgramKind kind) const;

  /// Whether what a step does over ranks is done: of several micro-batches only the last needs it.
  enum class Sums { OverRanks, Own };

  /// Runs one step and waits for it; calls `meanwhile` while the device works, where it does so
  /// beside the host (fillsAhead). Of several ranks all run the same steps.
  Status run(fb::ProgramKind kind, const std::function<Status()> &meanwhile = {},
             Sums sums = Sums::OverRanks);

  // The next step's inputs while a step runs, in `meanwhile`: first turnInputs, then fill all of
  // input(), label() and what is mixed, then sendInputs.
  /// Whether the device has memory of its own, so that this can be done.
  bool fillsAhead() { return !arena->host(); }
  /// Lets the views of the inputs be other memory, whose content is not defined.
  void turnInputs();
  /// Begins to copy them to the device.
  Status sendInputs();

  /// The code section of the plan.
  std::span<const std::byte> code() const { return file->section(currentPlan->code_section()); }

  /// What was fused in the plan and why not more (docs/Debugging.md), as JSON; empty where the
  /// model's file does not say it.
  std::string_view fusion() const;

  // For reports: launches of a program in the order of launchSums.
  std::vector<const fb::Launch *> launches(fb::ProgramKind kind) const;
  void setTiming(fb::ProgramKind kind, Timing wanted, ThreadCounters *counters = nullptr);
  std::vector<LaunchSums> launchSums(fb::ProgramKind kind) const;
  /// Nanoseconds that the host waited for other ranks since timing was switched on. Where the
  /// device orders collectives itself (fillsAhead), the host does not wait for them.
  uint64_t waitedForRanks() const { return rankNanoseconds; }

private:
  /// Stages between which nothing is done over ranks.
  struct Segment {
    std::unique_ptr<Executable> executable;
    size_t awaited = 0; ///< collectives of the program that must be done before
    size_t begun = 0;   ///< that have begun when it is submitted: those up to here begin behind it
  };
  /// For one rank alone a program is one segment.
  struct LoadedProgram {
    const fb::Program *table = nullptr;
    std::vector<Segment> segments;
  };

  /// Copies of what lies at an offset of an arena that the host does not see.
  struct Mirror {
    std::vector<std::byte> content;
    std::unique_ptr<HostMemory> turns[2]; ///< instead, of what the host owns: one is in use
    unsigned turn = 0;
    bool isCurrent = false; ///< no step has run since it was brought here
    bool mayDiffer = false; ///< somebody has had it for writing since it was sent
  };

  Executor(const ModelFile &file, Device &device, Communicator *ranks = nullptr)
      : file(&file), owner(&device), others(ranks && !ranks->isAlone() ? ranks : nullptr) {}
  Status choosePlan(size_t phase);
  Status allocate();
  Status loadPrograms();
  Status loadSegments(LoadedProgram &program);
  ProgramSpec describeStages(const fb::Program &program, uint32_t begin, uint32_t end);
  Status beginCollectives(const LoadedProgram &program, size_t until,
                          std::vector<uint64_t> &numbers);
  Status finish(const fb::Collective &last, uint64_t number);
  const fb::Shard *shardOf(size_t index) const;
  const LoadedProgram *find(fb::ProgramKind kind) const;
  const fb::Buffer *findBuffer(fb::BufferRole role) const;
  /// Whoever gets a view may write to it, or not; HostOwned: no program writes there.
  enum class Use { ReadOnly, ReadWrite, HostOwned };
  std::byte *view(uint64_t offset, uint64_t bytes, Use use);
  std::span<float> floats(uint64_t offset, uint64_t count, Use use = Use::ReadWrite);
  std::span<float> buffer(fb::BufferRole role, Use use = Use::ReadWrite);
  Status sendViews();
  Status send(uint64_t offset, Mirror &mirror);
  std::byte *hostOwned(Mirror &mirror, uint64_t bytes);
  std::vector<uint64_t> inputOffsets() const;
  std::span<int32_t> integers(fb::BufferRole role);

  const ModelFile *file;
  Device *owner;
  Communicator *others; ///< null: alone
  SoloCommunicator alone;
  const fb::Phase *currentPhase = nullptr;
  const fb::TargetPlan *currentPlan = nullptr;
  size_t states = 0;
  std::unique_ptr<Arena> arena;
  std::unique_ptr<Code> loadedCode;
  std::map<uint64_t, Mirror> mirrors;
  Status copyFailure; ///< of a view; the next run says it
  std::vector<LoadedProgram> programs;
  Timing timing = Timing::Off;
  uint64_t rankNanoseconds = 0;
};

/// Elements of a parameter.
uint64_t elementCount(const fb::Parameter &parameter);

} // namespace danaus
