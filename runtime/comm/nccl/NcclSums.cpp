// See NcclSums.h.
#include "runtime/comm/nccl/NcclSums.h"

#include "runtime/device/cuda/StreamAccess.h"

#include <atomic>

namespace danaus {

namespace {

class NcclSums final : public DeviceSums {
public:
  NcclSums(std::shared_ptr<Nccl> nccl, std::shared_ptr<cuda::Context> context)
      : nccl(std::move(nccl)), context(std::move(context)) {}

  ~NcclSums() override {
    const cuda::Driver &driver = context->driver();
    if (comm && !wasAborted)
      (void)nccl->destroyComm(comm);
    if (ready)
      (void)driver.eventDestroy(ready);
    if (done)
      (void)driver.eventDestroy(done);
    if (stream) {
      context->trace().forgetStream(stream);
      (void)driver.streamDestroy(stream);
    }
  }

  Status join(const danaus_nccl_id &id, unsigned ownRank, unsigned count) {
    rank = ownRank;
    size = count;
    const cuda::Driver &driver = context->driver();
    for (auto [result, what] : {std::pair(driver.streamCreate(&stream, NonBlocking), "a stream"),
                                {driver.eventCreate(&ready, NoTiming), "an event"},
                                {driver.eventCreate(&done, NoTiming), "an event"}})
      if (Status status = context->check(result, std::string("making ") + what); !status)
        return status;
    context->trace().nameStream(stream, "NCCL");
    return nccl->check(nccl->initRank(&comm, int(size), id, int(rank)),
                       format("joining %u GPUs as rank %u", size, rank));
  }

  /// The stream of sums waits for what the kernels have done so far, and they for nothing.
  Expected<uint64_t> begin(Collective kind, Arena &arena, uint64_t offset,
                           uint64_t elements) override {
    const cuda::Driver &driver = context->driver();
    int result = driver.eventRecord(ready, context->stream());
    if (result == 0)
      result = driver.streamWaitEvent(stream, ready, 0);
    if (Status status = context->check(result, "waiting for gradients"); !status)
      return status.takeError();
    auto *values = reinterpret_cast<float *>(cuda::addressOf(arena) + offset);
    {
      cuda::GpuTrace &trace = context->trace();
      cuda::StreamSpan span(trace, stream, trace::Kind::Communication,
                            trace.usesEvents() ? collectiveName(kind, elements * sizeof(float))
                                               : "");
      result = start(kind, values, elements);
    }
    if (Status status = nccl->check(result, wordsFor(kind)); !status)
      return status.takeError();
    return ++begun;
  }

  Status finish(uint64_t) override {
    const cuda::Driver &driver = context->driver();
    int result = driver.eventRecord(done, stream);
    if (result == 0)
      result = driver.streamWaitEvent(context->stream(), done, 0);
    if (Status status = context->check(result, "waiting for sums"); !status)
      return status;
    int state = Nccl::Success;
    int asked = nccl->asyncError(comm, &state);
    return nccl->check(asked == Nccl::Success ? state : asked, "adding up gradients");
  }

  /// Kernels of NCCL that wait for a rank that is gone would wait for ever.
  void abort() override {
    if (comm && !wasAborted.exchange(true))
      (void)nccl->abortComm(comm);
  }

private:
  /// In place, as NCCL has it: of parts, rank r's lies at its place in the whole.
  int start(Collective kind, float *values, uint64_t elements) {
    uint64_t part = elements / size;
    float *own = values + rank * part;
    switch (kind) {
    case Collective::AllReduce:
      return nccl->allReduce(values, values, elements, Nccl::Float32, Nccl::Sum, comm, stream);
    case Collective::ReduceScatter:
      return nccl->reduceScatter(values, own, part, Nccl::Float32, Nccl::Sum, comm, stream);
    case Collective::AllGather:
      return nccl->allGather(own, values, part, Nccl::Float32, comm, stream);
    }
    return Nccl::Success;
  }

  static std::string wordsFor(Collective kind) {
    return kind == Collective::AllGather ? "gathering parameters" : "adding up gradients";
  }

  static constexpr unsigned NonBlocking = 1, NoTiming = 2;

  std::shared_ptr<Nccl> nccl;
  std::shared_ptr<cuda::Context> context;
  unsigned rank = 0, size = 1;
  ncclComm *comm = nullptr;
  cuda::CUstream stream = nullptr;
  cuda::CUevent ready = nullptr, done = nullptr;
  uint64_t begun = 0;
  std::atomic<bool> wasAborted = false;
};

} // namespace

Expected<std::shared_ptr<Nccl>> ncclFor(Device &device) {
  if (!cuda::contextOf(device))
    return Error(ExitCode::DeviceUnavailable,
                 "dist.backend: nccl adds up between GPUs, and the device is " +
                     std::string(device.kind()) + ": set dist.backend: gloo or auto");
  return Nccl::open(device.kind() == "vgpu" ? Nccl::Kind::StandIn : Nccl::Kind::Real);
}

Expected<std::unique_ptr<DeviceSums>> joinNccl(std::shared_ptr<Nccl> nccl, Device &device,
                                               const danaus_nccl_id &id, unsigned rank,
                                               unsigned size) {
  auto sums = std::make_unique<NcclSums>(std::move(nccl), cuda::contextOf(device));
  if (Status status = sums->join(id, rank, size); !status)
    return status.takeError();
  return std::unique_ptr<DeviceSums>(std::move(sums));
}

} // namespace danaus
