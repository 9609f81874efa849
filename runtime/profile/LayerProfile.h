// The times of a step's kernels by layer of the model.
#pragma once

#include "runtime/profile/KernelProfile.h"

namespace danaus {

/// A layer, or what belongs to none: "update" of the weights, "loss", "forward" of a norm of all.
struct LayerProfile {
  std::string name;
  const fb::Layer *layer = nullptr; ///< null: not in the model's table of layers
  double milliseconds = 0;          ///< of one step, all threads together
  bool isEstimated = false;         ///< a part of it is a share of a launch with other layers
};

/// In the order of their first launch. The time of a launch that computes several layers is shared
/// by their multiply-accumulates, or equally where none has any; the times add up to the kernels'.
std::vector<LayerProfile> profileLayers(const StepProfile &profile, const fb::Phase &phase);

/// What a launch computes: the names in its label, behind the kind ("chain fc1, fc2, loss").
std::vector<std::string> layersOfLabel(const std::string &label);

} // namespace danaus
