// The kernels of a training step as a graph that fits a page: launches of one kernel in one lane
// are one node, so that repeated blocks fold. What a drawing of it needs to know.
#pragma once

#include "compiler/Fusion.h"

namespace danaus {

/// Forward up to the loss; the kernel with the loss; what depends on it; of that, what gives
/// gradients of parameters and nothing else; the update.
enum class Lane { Forward, Loss, Backward, Gradient, Update };

struct GraphNode {
  FusionRow row;
  Lane lane = Lane::Forward;
};

/// All that passes from launches of one node to launches of another.
struct GraphEdge {
  size_t from, to; ///< nodes; equal: from one launch to another of the same kernel
  int64_t bytes = 0;
  std::vector<std::string> reasons; ///< why they are apart, each once
};

struct FusionGraph {
  std::vector<GraphNode> nodes; ///< in the order of their first launches
  std::vector<GraphEdge> edges;
  size_t launches = 0, preparations = 0; ///< the latter have no node
  int64_t bytesSaved = 0;
};

/// The graph of the step that trains: train_step, or gradient_step and update_step.
FusionGraph graphOf(const Fusion &fusion);

} // namespace danaus
