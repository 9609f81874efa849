// trace.json of a run: some of its steps as the recorder saw them, of all ranks.
#pragma once

#include "runtime/comm/Communicator.h"
#include "runtime/device/Device.h"
#include "runtime/run/RunFolder.h"
#include "runtime/trace/Recorder.h"

#include <functional>

namespace danaus {

/// A rank's own bytes from each rank, in their order: the same on all. Errors are those of sums.
Expected<std::vector<std::string>> gather(Communicator &ranks, const std::string &own);

/// Ends what Device::beginTrace and trace::start began: the spans of all threads and of the device.
/// Errors are those of the device.
Expected<trace::Recording> stopTrace(Device &device);

/// All ranks call begin and end around each step. Rank 0 writes the file, under another name where
/// a run that is resumed has one. Ranks begin together, after a sum: their times count from its
/// end.
class StepTrace {
public:
  /// Steps that run before, as long as memory and caches are cold.
  static constexpr uint64_t WarmSteps = 5;

  /// `steps`: how many, 0: none; `left`: steps that the run still has.
  StepTrace(const RunFolder &run, Device &device, Communicator &ranks, uint64_t steps,
            uint64_t left, std::function<void(const std::string &)> onNote);

  Status begin(uint64_t step);
  /// Errors: IoError when the file cannot be written.
  Status end();

private:
  Status write();

  const RunFolder &run;
  Device &device;
  Communicator &ranks;
  std::function<void(const std::string &)> onNote;
  uint64_t untilFirst, left, firstStep = 0;
};

} // namespace danaus
