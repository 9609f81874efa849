// The training loop: from initial weights to the accuracy on the test set, with everything that a
// run leaves in its folder. Prints nothing and parses nothing: a TrainObserver is told what
// happens. Bit for bit the same whether a run is interrupted and resumed or not. Of several ranks
// each takes its part of every batch, all have the same weights, and rank 0 writes.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/measure/KernelTimer.h"
#include "runtime/measure/StepTrace.h"
#include "runtime/run/Checkpoint.h"
#include "runtime/run/MetricsLog.h"
#include "runtime/run/RunFolder.h"
#include "runtime/step/BatchFeed.h"
#include "runtime/step/LossScale.h"
#include "runtime/step/ModelData.h"
#include "runtime/step/Schedule.h"
#include "runtime/train/PhaseBorder.h"
#include "runtime/train/RunModel.h"

#include <chrono>
#include <functional>

namespace danaus {

/// Where a run stands after a step; all numbers count from 1.
struct StepProgress {
  uint64_t epoch = 0, epochs = 0;
  uint64_t step = 0, stepsPerEpoch = 0; ///< of this epoch
  uint64_t stepsLeft = 0;               ///< of the run
  uint64_t images = 0;                  ///< of this step
  float loss = 0;
};

/// Called on the training thread; must be quick.
class TrainObserver {
public:
  virtual ~TrainObserver() = default;
  /// Before the first step of a phase, and of a run that is resumed; `phase` counts from 1.
  virtual void onPhase(Executor &executor, uint64_t phase) {}
  /// Between two phases, before onPhase.
  virtual void onBorder(const BorderReport &report) {}
  virtual void onStep(const StepProgress &progress) {}
  /// After an epoch is logged; `bestEpoch` is the best one so far.
  virtual void onEpoch(const EpochRow &row, uint64_t bestEpoch) {}
  /// Once a phase, on rank 0, after the steps whose kernels were timed (profile.timed_steps).
  virtual void onKernelTimes(Executor &executor, uint64_t phase, const KernelTimes &times) {}
  /// A sentence that the user should see.
  virtual void onNote(const std::string &sentence) {}
};

struct TrainerOptions {
  uint64_t logEvery = 0; ///< every so many steps a row in metrics.jsonl; 0: none
  std::function<bool()> stopRequested = [] { return false; };
  /// How the file that train.init names is opened.
  std::function<Expected<SafetensorsFile>(const std::string &path)> openInit =
      SafetensorsFile::open;
  /// Compiles the model again once weights have chosen ranks; only rank 0 is asked. None: models
  /// that need it are refused.
  Recompile recompile;
};

class Trainer {
public:
  /// Everything given must outlive the trainer. `data` is the training portion of the dataset,
  /// `test` the test portion; both fit the model (ModelData.h). `ranks`: null: one alone.
  Trainer(const ModelFile &file, Device &device, const Dataset &data, const Dataset &test,
          const RunFolder &run, TrainerOptions options, TrainObserver &observer,
          Communicator *ranks = nullptr);

  /// Runs to the end, from the beginning or, if the folder was opened with RunMode::Resume, from
  /// its last checkpoint. Errors: Stopped (after a checkpoint), Diverged (loss or weights not
  /// finite; nothing was overwritten), PeerFailed (another rank), CheckpointInvalid (also where
  /// weights cannot be converted for the next phase), DataInvalid, IoError, DeviceUnavailable.
  Expected<RunSummary> train();

private:
  using Clock = std::chrono::steady_clock;

  Status checkRanks() const;
  Status begin();
  Status beginState();
  Status beginFirst();
  Status beginOther();
  Status openPhase(std::unique_ptr<Executor> opened);
  Status makeSources();
  Expected<BatchSource> batchesOf(SplitName split, ImageUse use) const;
  Status initialize();
  Status chooseFirstRanks(const SafetensorsFile &weights);
  Status resume(LoadedCheckpoint last);
  void takeSums();
  uint64_t phaseOfEpoch(uint64_t epoch) const;
  Status enterPhase(uint64_t next);
  Expected<bool> chooseRanks(uint64_t next);
  void noteWhatStaysDense();
  bool limitReached() const;
  bool finished() const;
  uint64_t stepsPerEpoch() const;
  Status trainEpoch();
  uint64_t stepsLeft() const;
  void startKernelTimer();
  Status tracedStep();
  Status trainStep();
  Status logStep(float loss);
  Status endEpoch();
  Status afterUpdate(float loss);
  Status save(const std::string &slot);
  Status giveState(const std::string &slot);
  Expected<bool> stopsNow();
  Error stopped();
  Error diverged(uint64_t step, const std::string &what) const;
  Expected<RunSummary> finish();

  Device &device;
  const fb::Training &training;
  const Dataset &data, &testData;
  const RunFolder &run;
  TrainerOptions options;
  TrainObserver &observer;
  SoloCommunicator alone;
  Communicator &ranks;
  RunModel model;
  std::unique_ptr<Executor> executor; ///< of the phase `at.phase`
  CheckpointStore store;

  std::optional<BatchSource> source, validation, test;
  std::unique_ptr<BatchFeed> feed; ///< of `source`
  std::optional<Schedule> schedule;
  std::optional<MetricsLog> log;             ///< of rank 0
  std::optional<StepTrace> stepTrace;        ///< from the first step on
  std::optional<KernelTimer> kernelTimer;    ///< of `executor`, on rank 0
  std::optional<LossScale> lossScale;        ///< where operands are float16
  std::optional<SafetensorsFile> savedState; ///< of rank 0's checkpoint, until it is shared

  /// Where the run stands; `sums` is filled only when it is saved.
  CheckpointManifest at;
  double lossSum = 0, rowCount = 0;             ///< of this epoch so far
  std::optional<float> lastNorm;                ///< of the gradient, at the last logged step
  double epochSeconds = 0, finishedSeconds = 0; ///< of this epoch before `since`; of earlier ones
  Clock::time_point since;
};

} // namespace danaus
