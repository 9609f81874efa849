// Timing of compiled steps: what `danaus bench` and `danaus profile` report. Of made-up data, as
// the work of a step does not depend on the values, or with the batches of a dataset.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/measure/MeasuredInput.h"

namespace danaus {

struct MeasureOptions {
  uint64_t warmups = 20; ///< at most; after a second two are enough
  uint64_t repeats = 0;  ///< 0: as many as `seconds` take, at least 5
  double seconds = 3;
  ThreadCounters *counters = nullptr; ///< what measureLaunches reads beside the clock
  MeasuredInput *input = nullptr;     ///< a batch for each step; null: the same one stays
};

struct StepTimes {
  uint64_t repeats = 0;
  double median = 0, best = 0; ///< milliseconds
};

/// What is measured: a whole update of the weights, however many programs it takes, or one step of
/// evaluation.
enum class Measured { Update, Evaluation };

/// Rows that it takes; 0 when a program is missing.
uint64_t measuredRows(const Executor &executor, Measured what);

/// Seeded parameters and a full batch of reproducible numbers; the learning rate is 0, so that many
/// repeats of one batch stay finite.
Status prepareMeasurement(Executor &executor, Measured what);

/// Runs it again and again; prepareMeasurement comes first.
Expected<StepTimes> measureSteps(Executor &executor, Measured what, const MeasureOptions &options);

/// One launch of a program: milliseconds per step of all its tiles on all threads together, over
/// all micro-batches.
struct LaunchTime {
  const fb::Launch *launch = nullptr;
  double milliseconds = 0;            ///< of a step: their median, or their mean
  double total = 0;                   ///< milliseconds of all steps together
  ThreadCounters::Counts counts = {}; ///< of all steps together
};

/// What the main thread waited for in a step, milliseconds.
struct StepWaits {
  double input = 0;         ///< until its batch was in the executor
  double communication = 0; ///< for other ranks (Executor::waitedForRanks)
};

struct LaunchTimes {
  std::vector<LaunchTime> launches; ///< in the order of the program; medians
  uint64_t steps = 0;               ///< that they are of, without the warm-up
  double milliseconds = 0;          ///< of a step by the clock, the median
  StepWaits waits;                  ///< medians
};

/// Starts or stops adding up times of launches, and what `counters` count meanwhile.
void setTiming(Executor &executor, Measured what, Timing timing,
               ThreadCounters *counters = nullptr);

/// What was added up since timing was switched on, over `steps` steps; means.
std::vector<LaunchTime> launchTimes(const Executor &executor, Measured what, uint64_t steps);

Expected<LaunchTimes> measureLaunches(Executor &executor, Measured what,
                                      const MeasureOptions &options);

/// The largest resident size of this process so far, in bytes; 0 where /proc does not say.
uint64_t peakResidentBytes();

} // namespace danaus
