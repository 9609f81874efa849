// The driver's functions of streams, events and graphs.
#include "runtime/vgpu/driver/Interface.h"

#include <algorithm>
#include <ctime>

using namespace danaus;
using namespace danaus::vgpu;
using namespace danaus::cuda;

namespace {

double now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

/// A graph as it was instantiated: nodes in an order that respects their dependencies, with lanes.
struct Instance {
  Gpu *gpu = nullptr;
  std::vector<LaunchNode> nodes;
};

/// A node goes on in the lane of its first dependency that nobody has taken, else in a new one.
void assignLanes(Instance &instance) {
  std::vector<bool> taken(instance.nodes.size());
  for (LaunchNode &node : instance.nodes) {
    auto free = std::find_if(node.dependencies.begin(), node.dependencies.end(),
                             [&](size_t i) { return !taken[i]; });
    if (free == node.dependencies.end()) {
      node.lane = instance.gpu->newLane();
    } else {
      node.lane = instance.nodes[*free].lane;
      taken[*free] = true;
    }
  }
}

} // namespace

// --- streams and events ----------------------------------------------------

EXPORT cuStreamCreate(CUstream *stream, unsigned) {
  Lock lock(machine().mutex);
  if (!machine().current)
    return InvalidContext;
  *stream =
      reinterpret_cast<CUstream>(new Stream{machine().current, machine().current->newLane(), {}});
  return Success;
}
EXPORT cuStreamDestroy_v2(CUstream stream) {
  Lock lock(machine().mutex);
  delete reinterpret_cast<Stream *>(stream);
  return Success;
}
EXPORT cuStreamSynchronize(CUstream handle) {
  Lock lock(machine().mutex);
  Stream *stream = streamOf(handle);
  if (!stream)
    return InvalidContext;
  join(stream->gpu->host, stream->known);
  machine().checkWatched(*stream->gpu);
  return machine().sticky;
}
EXPORT cuStreamWaitEvent(CUstream handle, CUevent event, unsigned) {
  Lock lock(machine().mutex);
  Stream *stream = streamOf(handle);
  if (!stream || !event)
    return InvalidValue;
  join(stream->known, reinterpret_cast<Event *>(event)->clock);
  return Success;
}
EXPORT cuEventCreate(CUevent *event, unsigned) {
  *event = reinterpret_cast<CUevent>(new Event());
  return Success;
}
EXPORT cuEventDestroy_v2(CUevent event) {
  delete reinterpret_cast<Event *>(event);
  return Success;
}
EXPORT cuEventRecord(CUevent handle, CUstream stream) {
  Lock lock(machine().mutex);
  auto *event = reinterpret_cast<Event *>(handle);
  if (!event || !streamOf(stream))
    return InvalidValue;
  event->clock = streamOf(stream)->known;
  event->seconds = now();
  return Success;
}
EXPORT cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
  *milliseconds = float(
      1e3 * (reinterpret_cast<Event *>(end)->seconds - reinterpret_cast<Event *>(start)->seconds));
  return Success;
}

// --- graphs ----------------------------------------------------------------

EXPORT cuGraphCreate(CUgraph *graph, unsigned) {
  *graph = reinterpret_cast<CUgraph>(new Graph());
  return Success;
}
EXPORT cuGraphDestroy(CUgraph graph) {
  delete reinterpret_cast<Graph *>(graph);
  return Success;
}
EXPORT cuGraphAddKernelNode_v2(CUgraphNode *handle, CUgraph graphHandle,
                               const CUgraphNode *dependencies, size_t count,
                               const KernelNodeParameters *parameters) {
  Lock lock(machine().mutex);
  auto *graph = reinterpret_cast<Graph *>(graphHandle);
  auto node = std::make_unique<LaunchNode>();
  const unsigned grid[] = {parameters->gridX, parameters->gridY, parameters->gridZ},
                 block[] = {parameters->blockX, parameters->blockY, parameters->blockZ};
  if (int result = makeNode(*node, parameters->function, grid, block, parameters->sharedBytes,
                            parameters->parameters);
      result != Success)
    return result;
  for (size_t i = 0; i < count; ++i) {
    auto found = std::find_if(graph->nodes.begin(), graph->nodes.end(), [&](const auto &known) {
      return known.get() == reinterpret_cast<LaunchNode *>(dependencies[i]);
    });
    if (found == graph->nodes.end())
      return InvalidValue;
    node->dependencies.push_back(size_t(found - graph->nodes.begin()));
  }
  *handle = reinterpret_cast<CUgraphNode>(node.get());
  graph->nodes.push_back(std::move(node));
  return Success;
}
EXPORT cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph handle, unsigned long long) {
  Lock lock(machine().mutex);
  auto *graph = reinterpret_cast<Graph *>(handle);
  auto instance = std::make_unique<Instance>();
  instance->gpu =
      graph->nodes.empty() ? machine().current : graph->nodes.front()->function->image->gpu;
  for (const auto &node : graph->nodes) // a node is added after those that it depends on
    instance->nodes.push_back(*node);
  assignLanes(*instance);
  *executable = reinterpret_cast<CUgraphExec>(instance.release());
  return Success;
}
EXPORT cuGraphExecDestroy(CUgraphExec executable) {
  delete reinterpret_cast<Instance *>(executable);
  return Success;
}
EXPORT cuGraphLaunch(CUgraphExec executable, CUstream handle) {
  Lock lock(machine().mutex);
  auto *instance = reinterpret_cast<Instance *>(executable);
  Stream *stream = streamOf(handle);
  if (!stream)
    return InvalidContext;
  if (machine().sticky != Success)
    return machine().sticky;
  join(stream->known, stream->gpu->host);
  Clock all = stream->known;
  std::vector<Clock> after(instance->nodes.size());
  for (size_t i = 0; i < instance->nodes.size(); ++i) {
    LaunchNode &node = instance->nodes[i];
    after[i] = stream->known;
    for (size_t dependency : node.dependencies)
      join(after[i], after[dependency]);
    Order order = instance->gpu->nextOrder(node.lane, after[i],
                                           "kernel " + node.function->name + " of a graph");
    RecordedActivity activity(machine().activities, kernelRecord(*stream, *node.function));
    if (int result = machine().run(node, order); result != Success)
      return result;
    join(all, after[i]);
  }
  stream->known = all;
  return Success;
}
