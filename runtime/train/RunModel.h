// The compiled model of a run: as it was given, and, once weights have chosen ranks, as it was
// compiled again with these. The ranks stay in the run's folder (ranks.json) and are never chosen
// twice; the new binary takes the place of model.dnb there. Rank 0 chooses and compiles, all others
// get its binary.
#pragma once

#include "runtime/comm/Communicator.h"
#include "runtime/plan/ModelFile.h"
#include "runtime/run/RunFolder.h"
#include "runtime/structure/RankFile.h"

#include <chrono>
#include <functional>
#include <memory>

namespace danaus {

/// What is compiled: the spec of a run with the ranks that it has chosen so far.
struct Recompilation {
  std::string spec, ranks; ///< files: config.yaml, ranks.json
  std::string targets;     ///< "cpu:avx512,cuda:sm_80"
  uint64_t processes = 1;  ///< that train together
  std::string output;      ///< the binary, written whole or not at all
};
/// Asks `stops` now and then, and ends early with any error where it says so.
using Recompile =
    std::function<Status(const Recompilation &what, const std::function<bool()> &stops)>;

class RunModel {
public:
  /// What is given must outlive the model.
  RunModel(const ModelFile &given, const RunFolder &run, Communicator &ranks, Recompile recompile,
           std::function<bool()> stopRequested);

  /// Files that were in use before stay open: executors may still hold them.
  const ModelFile &file() const { return *current; }
  const fb::Phase &phase(uint64_t index) const {
    return *file().model().phases()->Get(unsigned(index));
  }
  /// Whether ranks of this phase are not chosen yet.
  bool awaitsRanks(uint64_t phase) const;
  /// CheckpointInvalid where a phase awaits ranks and nothing here can compile.
  Status checkCompiler() const;

  /// Rank 0, before phase `phase`, from 0: chooses its ranks by `weights`, unless the run has them,
  /// and opens the model with them. Stopped on request: what was chosen stays. Then all share().
  Status choose(uint64_t phase, const WeightSource &weights);
  /// Rank 0, of a run that is in phase `phase`: opens the model with the ranks that it has chosen.
  /// CheckpointInvalid where they are not in its folder. Then all share().
  Status reopen(uint64_t phase);
  /// All ranks: the others wait for rank 0, and then have the model that it has. False where rank 0
  /// was asked to stop meanwhile.
  Expected<bool> share();

  /// The ranks that choose() took last, on rank 0.
  const std::vector<ChosenRank> &chosen() const { return latest; }

private:
  Expected<std::vector<PhaseRanks>> ranksSoFar() const;
  Status open(uint64_t phase);
  void adopt(ModelFile file);
  bool isSameModel(const ModelFile &other, uint64_t phase) const;
  bool tellsToWait();

  const ModelFile *current;
  std::vector<std::unique_ptr<ModelFile>> opened;
  const RunFolder &run;
  Communicator &ranks;
  Recompile recompile;
  std::function<bool()> stopRequested;

  std::vector<ChosenRank> latest;
  bool isNew = false, isStopped = false; ///< since the last share(), on rank 0
  Status waiting = Status::ok();         ///< of what the others were told
  std::chrono::steady_clock::time_point toldAt;
};

} // namespace danaus
