// A program bound to addresses of a GPU: a graph that is launched as a whole, or, where launches
// are timed, kernel by kernel between events.
#pragma once

#include "runtime/device/cuda/CudaCode.h"

namespace danaus::cuda {

class GraphExecutable final : public Executable {
public:
  /// `program` has passed checkProgram. CheckpointInvalid when a kernel is missing or takes
  /// arguments that the plan does not give.
  static Expected<std::unique_ptr<Executable>> load(std::shared_ptr<Context> context,
                                                    CUdeviceptr arena, const LoadedCode &code,
                                                    const ProgramSpec &program);
  ~GraphExecutable() override;

  void setTiming(Timing wanted, ThreadCounters *) override;
  std::vector<LaunchSums> launchSums() const override { return sums; }
  uint64_t launchCount() const override { return submits * launches.size(); }

  Status submit();
  /// Adds the times of the last submit to the sums; after a synchronize.
  Status collectTimes();

private:
  struct Launch {
    const LoadedKernel *kernel;
    unsigned blocks;
    std::string label;                  ///< in traces
    std::vector<CUdeviceptr> addresses; ///< of its parameters
    std::vector<void *> parameters;     ///< pointers to them
  };

  explicit GraphExecutable(std::shared_ptr<Context> context) : context(std::move(context)) {}
  Status bind(CUdeviceptr arena, const LoadedCode &code, const ProgramSpec &program);
  Status instantiate();
  Status submitOneByOne();
  Status recordTime(size_t event);
  Status launchKernel(Launch &launch);

  std::shared_ptr<Context> context;
  std::vector<Launch> launches;
  std::vector<size_t> stageEnds; ///< into launches
  CUgraph graph = nullptr;
  CUgraphExec instance = nullptr;
  uint64_t submits = 0;
  Timing timing = Timing::Off;
  std::vector<CUevent> events; ///< launches + 1 of them, while timed
  std::vector<LaunchSums> sums;
  bool isPending = false; ///< a timed submit is not collected
};

} // namespace danaus::cuda
