// checkpoints/{last,best}/ of a run: model.safetensors, state.safetensors, manifest.json. A folder
// is replaced as a whole; killed at any moment, one complete checkpoint remains and is found again.
// What a checkpoint means (which tensors, which counters) is the trainer's; here is only how it is
// kept.
#pragma once

#include "runtime/run/MetricsLog.h"
#include "runtime/safetensors/Safetensors.h"

#include <optional>

namespace danaus {

/// Where a run stands.
struct CheckpointManifest {
  uint64_t step = 0;      ///< optimizer updates done
  uint64_t epoch = 0;     ///< epochs completed; the next batch is of this epoch (from 0)
  uint64_t epochStep = 0; ///< batches done of that epoch
  uint64_t phase = 0;     ///< whose structure the weights have
  /// Steps that the optimizer does not remember: those before its state was last reset.
  uint64_t forgottenSteps = 0;
  std::optional<double> bestAccuracy; ///< on validation, so far in this phase
  uint64_t bestEpoch = 0;             ///< from 1; 0: none yet
  uint64_t seed = 0;
  std::string model;    ///< name of the model
  std::string specHash; ///< of the resolved spec; the trainer compares
  MetricsCounters metrics;
  /// Running sums of the trainer (loss of the epoch so far, seconds): exact through JSON.
  std::map<std::string, double> sums;
};

struct CheckpointContent {
  CheckpointManifest manifest;
  std::span<const TensorRef> model;
  /// Optimizer state, "<parameter>.<state>", and I64 counters.
  std::span<const TensorRef> state;
};

struct LoadedCheckpoint {
  CheckpointManifest manifest;
  SafetensorsFile model, state;
  /// Not empty: a sentence for the user, e.g. that `last` was damaged and `last.old` is used.
  std::string note;
};

/// How a finished folder takes the place of the one before. TwoRenames is for file systems that
/// cannot exchange; it is found out, and can be asked for by tests.
enum class FolderSwap { Exchange, TwoRenames };

class CheckpointStore {
public:
  /// `folder`: runs/NAME/checkpoints; created by the first save. `keep` > 1: that many of the
  /// latest `last` are kept, the older ones as step-<number>.
  explicit CheckpointStore(std::string folder, uint64_t keep = 1,
                           FolderSwap swap = FolderSwap::Exchange)
      : folder(std::move(folder)), keep(keep), swap(swap) {}

  /// `slot`: "last" or "best". On an error the checkpoint of before is still there.
  Status save(const std::string &slot, const CheckpointContent &content) const;
  /// Finds and verifies (sizes, checksums, headers) the checkpoint of a slot: `slot`, or, when that
  /// is missing or damaged, the newest complete one of `slot`.new and `slot`.old.
  Expected<LoadedCheckpoint> load(const std::string &slot) const;
  /// Is there anything that load() could try?
  bool exists(const std::string &slot) const;

private:
  Status putInPlace(const std::string &slot) const;
  Status retire(const std::string &slot, const std::string &older) const;

  std::string folder;
  uint64_t keep;
  FolderSwap swap;
};

/// Verifies and opens one checkpoint folder (of any run).
Expected<LoadedCheckpoint> loadCheckpointFolder(const std::string &folder);

} // namespace danaus
