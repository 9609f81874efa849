// See FusionGraph.h.
#include "compiler/FusionGraph.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"

#include <map>

using namespace danaus;

namespace {

bool isOfUpdate(const FusionKernel &kernel) {
  return kernel.operation == "update" || kernel.operation == "square_norm" ||
         kernel.operation == "metrics";
}

bool holdsLoss(const FusionKernel &kernel) {
  return llvm::any_of(kernel.covers, [](llvm::StringRef covered) {
    return covered.contains("cross_entropy_loss");
  });
}

/// The lane of each launch of a step. Neighbours stand before the kernels that read from them.
std::vector<Lane> lanesOf(const FusionStep &step) {
  std::vector<Lane> lanes(step.kernels.size(), Lane::Forward);
  // Results that other kernels read than those of the update, by way of preparations.
  std::vector<bool> goesOn(step.kernels.size());
  for (size_t i = 0; i < step.kernels.size(); ++i) {
    const FusionKernel &kernel = step.kernels[i];
    bool isBehind = llvm::any_of(kernel.neighbours, [&](const FusionNeighbour &each) {
      return lanes[each.from] != Lane::Forward;
    });
    lanes[i] = isOfUpdate(kernel)  ? Lane::Update
               : holdsLoss(kernel) ? Lane::Loss
               : isBehind          ? Lane::Backward
                                   : Lane::Forward;
  }
  for (size_t i = step.kernels.size(); i-- > 0;)
    if (lanes[i] != Lane::Update && (!step.kernels[i].isPreparation || goesOn[i]))
      for (const FusionNeighbour &each : step.kernels[i].neighbours)
        goesOn[each.from] = true;
  for (size_t i = 0; i < lanes.size(); ++i)
    if (lanes[i] == Lane::Backward && !goesOn[i])
      lanes[i] = Lane::Gradient;
  return lanes;
}

void addStep(const FusionStep &step, FusionGraph &graph) {
  std::vector<Lane> lanes = lanesOf(step);
  std::map<Lane, std::vector<size_t>> byLane;
  for (size_t i = 0; i < step.kernels.size(); ++i) {
    graph.bytesSaved += step.kernels[i].bytesSaved;
    if (!step.kernels[i].isPreparation)
      byLane[lanes[i]].push_back(i);
    else
      ++graph.preparations;
  }
  graph.launches += step.kernels.size();
  std::vector<GraphNode> nodes;
  for (const auto &[lane, launches] : byLane)
    for (FusionRow &row : rowsOf(step, launches))
      nodes.push_back({std::move(row), lane});
  llvm::sort(nodes, [](const GraphNode &a, const GraphNode &b) {
    return a.row.launches.front() < b.row.launches.front();
  });
  std::map<size_t, size_t> nodeOf; // of launches that have one
  for (GraphNode &node : nodes) {
    for (size_t launch : node.row.launches)
      nodeOf[launch] = graph.nodes.size();
    graph.nodes.push_back(std::move(node));
  }
  std::map<std::pair<size_t, size_t>, size_t> known;
  for (auto [launch, to] : nodeOf)
    for (const FusionNeighbour &each : step.kernels[launch].neighbours) {
      auto from = nodeOf.find(each.from);
      if (from == nodeOf.end())
        continue;
      auto [slot, isNew] = known.try_emplace({from->second, to}, graph.edges.size());
      if (isNew)
        graph.edges.push_back({from->second, to, 0, {}});
      GraphEdge &edge = graph.edges[slot->second];
      edge.bytes += each.bytes;
      if (!llvm::is_contained(edge.reasons, each.reason))
        edge.reasons.push_back(each.reason);
    }
}

} // namespace

FusionGraph danaus::graphOf(const Fusion &fusion) {
  FusionGraph graph;
  for (const FusionStep &step : fusion)
    if (step.name != "eval_step")
      addStep(step, graph);
  return graph;
}
