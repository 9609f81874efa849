// See CudaExecutable.h.
#include "runtime/device/cuda/CudaExecutable.h"

namespace danaus::cuda {

Expected<std::unique_ptr<Executable>> GraphExecutable::load(std::shared_ptr<Context> context,
                                                            CUdeviceptr arena,
                                                            const LoadedCode &code,
                                                            const ProgramSpec &program) {
  std::unique_ptr<GraphExecutable> executable(new GraphExecutable(std::move(context)));
  if (Status status = executable->bind(arena, code, program); !status)
    return status.takeError();
  if (Status status = executable->instantiate(); !status)
    return status.takeError();
  return std::unique_ptr<Executable>(std::move(executable));
}

Status GraphExecutable::bind(CUdeviceptr arena, const LoadedCode &code,
                             const ProgramSpec &program) {
  for (const std::vector<LaunchSpec> &stage : program.stages) {
    for (const LaunchSpec &spec : stage) {
      const KernelSpec &kernel = program.kernels[spec.kernel];
      Launch launch{code.find(kernel.symbol), unsigned(kernel.tiles), spec.label, {}, {}};
      if (!launch.kernel)
        return Error(ExitCode::CheckpointInvalid, "the CUDA code has no kernel " + kernel.symbol);
      if (kernel.tiles == 0 || kernel.tiles > 0x7FFFFFFF)
        return Error(ExitCode::CheckpointInvalid,
                     format("kernel %s has %llu blocks", kernel.symbol.c_str(),
                            (unsigned long long)kernel.tiles));
      for (uint32_t parameter : launch.kernel->parameters) {
        if (parameter >= spec.buffers.size())
          return Error(ExitCode::CheckpointInvalid,
                       format("kernel %s takes argument %u of %zu", kernel.symbol.c_str(),
                              parameter, spec.buffers.size()));
        launch.addresses.push_back(arena + spec.buffers[parameter]);
      }
      context->trace().nameKernel(kernel.symbol, spec.label);
      launches.push_back(std::move(launch));
    }
    stageEnds.push_back(launches.size());
  }
  for (Launch &launch : launches) // now nothing moves any more
    for (CUdeviceptr &address : launch.addresses)
      launch.parameters.push_back(&address);
  return Status::ok();
}

/// A node per launch, which depends on all of the stage before.
Status GraphExecutable::instantiate() {
  const Driver &driver = context->driver();
  if (Status status = context->check(driver.graphCreate(&graph, 0), "making a graph"); !status)
    return status;
  std::vector<CUgraphNode> before;
  size_t next = 0;
  for (size_t end : stageEnds) {
    std::vector<CUgraphNode> stage;
    for (; next < end; ++next) {
      Launch &launch = launches[next];
      KernelNodeParameters parameters = {launch.kernel->function,
                                         launch.blocks,
                                         1,
                                         1,
                                         launch.kernel->block,
                                         1,
                                         1,
                                         launch.kernel->sharedBytes,
                                         launch.parameters.data(),
                                         nullptr,
                                         nullptr,
                                         nullptr};
      CUgraphNode node = nullptr;
      int result = driver.graphAddKernel(&node, graph, before.data(), before.size(), &parameters);
      if (Status status = context->check(result, "adding a kernel to a graph"); !status)
        return status;
      stage.push_back(node);
    }
    if (!stage.empty())
      before = std::move(stage);
  }
  return context->check(driver.graphInstantiate(&instance, graph, 0), "instantiating a graph");
}

GraphExecutable::~GraphExecutable() {
  const Driver &driver = context->driver();
  for (CUevent event : events)
    (void)driver.eventDestroy(event);
  if (instance)
    (void)driver.graphExecDestroy(instance);
  if (graph)
    (void)driver.graphDestroy(graph);
}

void GraphExecutable::setTiming(Timing wanted, ThreadCounters *) {
  timing = wanted;
  if (timing == Timing::On)
    sums.assign(launches.size(), {});
}

Status GraphExecutable::submit() {
  ++submits;
  trace::Scope scope(trace::Kind::Launch, "launch kernels");
  if (timing == Timing::On || context->trace().usesEvents())
    return submitOneByOne();
  context->trace().noteGraph();
  return context->check(context->driver().graphLaunch(instance, context->stream()),
                        "launching a step");
}

Status GraphExecutable::recordTime(size_t index) {
  const Driver &driver = context->driver();
  while (events.size() <= index) {
    CUevent event = nullptr;
    if (Status status = context->check(driver.eventCreate(&event, 0), "making an event"); !status)
      return status;
    events.push_back(event);
  }
  return context->check(driver.eventRecord(events[index], context->stream()), "timing a kernel");
}

Status GraphExecutable::launchKernel(Launch &launch) {
  StreamSpan span(context->trace(), context->stream(), trace::Kind::Kernel, launch.label);
  int result = context->driver().launch(launch.kernel->function, launch.blocks, 1, 1,
                                        launch.kernel->block, 1, 1, launch.kernel->sharedBytes,
                                        context->stream(), launch.parameters.data(), nullptr);
  return context->check(result, "launching a kernel");
}

/// With an event between two launches where they are timed.
Status GraphExecutable::submitOneByOne() {
  bool isTimed = timing == Timing::On;
  for (size_t i = 0; i < launches.size(); ++i) {
    if (isTimed)
      if (Status status = recordTime(i); !status)
        return status;
    if (Status status = launchKernel(launches[i]); !status)
      return status;
  }
  if (isTimed)
    if (Status status = recordTime(launches.size()); !status)
      return status;
  isPending = isTimed;
  return Status::ok();
}

Status GraphExecutable::collectTimes() {
  if (!std::exchange(isPending, false))
    return Status::ok();
  for (size_t i = 0; i < launches.size(); ++i) {
    float milliseconds = 0;
    int result = context->driver().eventElapsed(&milliseconds, events[i], events[i + 1]);
    if (Status status = context->check(result, "reading a kernel's time"); !status)
      return status;
    sums[i].nanoseconds += uint64_t(double(milliseconds) * 1e6);
  }
  return Status::ok();
}

} // namespace danaus::cuda
