// Where one phase of a run ends and the next begins: the weights take the structure of the next,
// and the optimizer's state is reset or goes with them.
#pragma once

#include "runtime/exec/Executor.h"
#include "runtime/structure/ConvertWeights.h"

namespace danaus {

/// What happened at a border.
struct BorderReport {
  uint64_t phase = 0; ///< that begins, from 1
  uint64_t epoch = 0; ///< epochs done
  std::vector<LayerConversion> layers;
  /// Of the same batch of images, in evaluation.
  double lossBefore = 0, lossAfter = 0;
};

/// {"phase", "epoch", "loss_before", "loss_after", "layers": [...]}.
std::string borderJson(const BorderReport &report);

/// The executor of phase `next` with the weights of `before`, which is gone afterwards. The
/// optimizer's state is zero, or where the phase projects it, carried over. Moving averages go on
/// where the weight did not change, and begin anew elsewhere. All ranks get what rank 0 has. Errors
/// of convertWeights and Executor::open; CheckpointInvalid where a weight's relative error is above
/// the phase's limit.
Expected<std::unique_ptr<Executor>> crossBorder(const ModelFile &file, Device &device,
                                                std::unique_ptr<Executor> before, size_t next,
                                                std::vector<LayerConversion> &layers);

} // namespace danaus
