// See JobCommunicator.h.
#include "runtime/comm/JobCommunicator.h"

#include "runtime/comm/SharedSums.h"
#include "runtime/comm/gloo/GlooFunctions.h"
#include "runtime/comm/gloo/OperationThread.h"
#include "runtime/comm/nccl/NcclSums.h"
#include "runtime/trace/Recorder.h"

#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace danaus {

namespace {

/// Gloo's own patience: that a rank is dead or silent is noticed by the rendezvous, while one that
/// writes a large checkpoint may keep the others waiting.
constexpr uint64_t OperationTimeoutMs = 6 * 3600 * 1000;
/// Gloo notices a broken connection before the rendezvous tells why.
constexpr std::chrono::milliseconds NewsTime(3000);

class JobCommunicator final : public Communicator {
public:
  JobCommunicator(const RankEnvironment &environment, Device &device, GlooFunctions functions)
      : Communicator(environment.rank, environment.size), device(device), functions(functions) {}

  ~JobCommunicator() override {
    if (worker.isBroken())
      letGo();
    bool hasEnded = worker.stop();
    // First the goodbye: connections that close without one mean that a rank died.
    member.reset();
    server.reset();
    if (!hasEnded)
      leaveBehind();
    else if (gloo)
      functions.free(gloo);
  }

  Status join(const RankEnvironment &environment, const JoinOptions &options) {
    onStep = options.onStep;
    spansHosts = environment.localSize < environment.size && !isLoopback(environment.host);
    if (Status status = meet(environment, options); !status)
      return status;
    if (Status status = worker.start(device, options.cores); !status)
      return status;
    Status connected = wait(worker.enqueue([this, options](danaus_gloo_error &error) {
      return connect(uint64_t(options.joinTimeout.count()), error);
    }));
    if (connected && options.backend != SumBackend::Gloo)
      connected = joinMemory();
    return connected ? joinDevices(options) : std::move(connected);
  }

  Status sum(std::span<double> values) override {
    return wait(worker.enqueue([this, values](danaus_gloo_error &error) {
      return functions.sumF64(gloo, values.data(), values.size(), &error) != 0;
    }));
  }

  Status broadcast(std::span<std::byte> bytes) override {
    return wait(worker.enqueue([this, bytes](danaus_gloo_error &error) {
      return functions.broadcast(gloo, bytes.data(), bytes.size(), &error) != 0;
    }));
  }

  Status gather(std::span<const std::byte> own, std::span<const uint64_t> counts,
                std::span<std::byte> all) override {
    return wait(worker.enqueue([=, this](danaus_gloo_error &error) {
      return functions.gather(gloo, own.data(), counts.data(), all.data(), &error) != 0;
    }));
  }

  Expected<uint64_t> begin(Collective kind, Arena &arena, uint64_t offset,
                           uint64_t elements) override {
    if (deviceSums) {
      auto number = deviceSums->begin(kind, arena, offset, elements);
      return number ? std::move(number) : Expected<uint64_t>(causeOf(number.takeError()));
    }
    std::span<float> values;
    if (std::byte *host = arena.host()) {
      values = {reinterpret_cast<float *>(host + offset), elements};
    } else {
      Staged &copy = staged[offset];
      copy.arena = &arena;
      copy.values.resize(elements);
      values = copy.values;
      if (Status status = device.copyOut(arena, offset, std::as_writable_bytes(values)); !status)
        return status.takeError();
    }
    uint64_t number = worker.enqueue([this, kind, values](danaus_gloo_error &error) {
      trace::nameThread("communication");
      trace::Scope scope(trace::Kind::Communication,
                         trace::isWatched() ? collectiveName(kind, values.size_bytes()) : "");
      return shared ? shared->run(kind, values) : runByGloo(kind, values, error);
    });
    if (!arena.host())
      staged[offset].number = number;
    return number;
  }

  Status finish(uint64_t number) override {
    if (deviceSums) {
      Status status = deviceSums->finish(number);
      return status ? std::move(status) : Status(causeOf(status.takeError()));
    }
    if (Status status = wait(number); !status)
      return status;
    for (auto &[offset, copy] : staged)
      if (copy.number && copy.number <= number) {
        copy.number = 0;
        if (Status status =
                device.copyIn(*copy.arena, offset, std::as_bytes(std::span(copy.values)));
            !status)
          return status;
      }
    return Status::ok();
  }

  Status check() override { return worker.isBroken() ? wait(UINT64_MAX) : Status::ok(); }

  void noteStep(uint64_t step) override {
    member->noteStep(step);
    if (server)
      server->noteStep(step);
    onStep(step);
  }

  Status requestStop(uint64_t) override {
    if (!asked)
      member->requestStop();
    asked = true;
    return Status::ok();
  }

  /// No rank can end step `step` + 1 before rank 0 has begun it, which is after all have heard.
  Expected<uint64_t> stopStep(uint64_t step) override {
    if (isFirst() && member->stopRequested() && member->stopStep() == UINT64_MAX)
      if (Status status = member->announceStop(step + 1); !status)
        return status.takeError();
    return member->stopStep();
  }

  void fail(const Error &error) override {
    if (member)
      member->fail(error);
  }

private:
  bool runByGloo(Collective kind, std::span<float> values, danaus_gloo_error &error) {
    auto run = kind == Collective::AllReduce       ? functions.sumF32
               : kind == Collective::ReduceScatter ? functions.reduceScatterF32
                                                   : functions.allGatherF32;
    return run(gloo, values.data(), values.size(), &error) != 0;
  }

  /// What lies in a device's own memory, while it is added up.
  struct Staged {
    Arena *arena = nullptr;
    std::vector<float> values;
    uint64_t number = 0; ///< of the sum that runs; 0: none
  };

  Status meet(const RankEnvironment &environment, const JoinOptions &options) {
    Membership::Options joining;
    joining.host = environment.host;
    joining.port = environment.port;
    if (isFirst()) {
      RendezvousOptions meeting;
      // Debian gives a host's own name a loopback address, where no other host comes.
      meeting.address = isLoopback(environment.host)           ? "127.0.0.1"
                        : resolvesToLoopback(environment.host) ? "0.0.0.0"
                                                               : environment.host;
      meeting.port = environment.port;
      meeting.token = environment.token;
      meeting.size = size();
      meeting.timeout = options.timeout;
      auto started = RendezvousServer::start(std::move(meeting));
      if (!started)
        return started.takeError();
      server = std::move(*started);
    }
    joining.rank = rank();
    joining.size = size();
    joining.token = environment.token;
    joining.timeout = options.timeout;
    joining.onFailure = [this] { interrupt(); };
    auto joined = Membership::join(std::move(joining));
    if (!joined)
      return joined.takeError();
    member = std::move(*joined);
    return Status::ok();
  }

  /// Memory of the host, where all ranks are on it.
  Status joinMemory() {
    constexpr const char *key = "danaus/shared-sums";
    std::unique_ptr<SharedSums> mine;
    if (isFirst()) {
      if (auto made = SharedSums::create(size()))
        mine = std::move(*made);
      if (Status status = member->set(key, mine ? mine->name() : ""); !status)
        return status;
    } else {
      auto name = member->get(key);
      if (!name)
        return name.takeError();
      if (auto opened = SharedSums::open(*name, rank(), size()))
        mine = std::move(*opened);
    }
    double have = mine ? 1 : 0;
    if (Status status = sum(std::span(&have, 1)); !status)
      return status;
    if (have < size())
      return Status::ok();
    mine->hide();
    std::lock_guard lock(means);
    shared = std::move(mine);
    if (hasLetGo)
      shared->abort();
    return Status::ok();
  }

  /// NCCL, where all ranks have it: one that has not would keep the others waiting.
  Status joinDevices(const JoinOptions &options) {
    if (options.backend == SumBackend::Gloo)
      return Status::ok();
    auto nccl = ncclFor(device);
    double have = nccl ? 1 : 0;
    if (Status status = sum(std::span(&have, 1)); !status)
      return status;
    if (have < size()) {
      if (options.backend == SumBackend::Nccl)
        return nccl ? Status(Error(ExitCode::DeviceUnavailable,
                                   "dist.backend: nccl, but not all ranks have it"))
                    : Status(nccl.takeError());
      if (device.target() == "cuda")
        options.onNote("gradients are added up through the host: " +
                       (nccl ? "not all ranks have NCCL" : nccl.error().message()));
      return Status::ok();
    }
    danaus_nccl_id id = {};
    if (isFirst())
      if (Status status = (*nccl)->check((*nccl)->getUniqueId(&id), "starting NCCL"); !status)
        return status;
    if (Status status = broadcast(std::as_writable_bytes(std::span(id.bytes))); !status)
      return status;
    auto joined = joinNccl(*nccl, device, id, rank(), size());
    if (!joined)
      return causeOf(joined.takeError());
    std::lock_guard lock(means);
    deviceSums = std::move(*joined);
    if (hasLetGo)
      deviceSums->abort();
    return Status::ok();
  }

  /// A rank that is gone is a better reason than what NCCL made of it.
  Error causeOf(Error own) {
    if (Status cause = member->failure(NewsTime); !cause)
      return cause.takeError();
    return own;
  }

  /// On the thread, whose own threads then are not tied to a core of the computation.
  bool connect(uint64_t timeoutMs, danaus_gloo_error &error) {
    danaus_gloo_store store = {member.get(), setKey, getKey};
    std::string address = member->ownAddress();
    if (spansHosts && isLoopback(address)) // rank 0 reached itself
      address = outwardAddress().value_or(address);
    danaus_gloo *connected =
        functions.connect(rank(), size(), address.c_str(), timeoutMs, &store, &error);
    if (connected)
      functions.setTimeout(connected, OperationTimeoutMs);
    std::lock_guard lock(means);
    gloo = connected;
    if (hasLetGo && connected)
      functions.abort(connected);
    return connected != nullptr;
  }

  static int setKey(void *self, const char *key, const char *bytes, size_t count) {
    return bool(static_cast<Membership *>(self)->set(key, std::string(bytes, count)));
  }

  static int getKey(void *self, const char *key, char *bytes, size_t *count) {
    auto value = static_cast<Membership *>(self)->get(key);
    if (!value || value->size() > *count)
      return 0;
    std::copy(value->begin(), value->end(), bytes);
    *count = value->size();
    return 1;
  }

  Status wait(uint64_t number) {
    if (worker.waitFor(number))
      return Status::ok();
    if (member)
      if (Status cause = member->failure(NewsTime); !cause)
        return cause;
    return Error(ExitCode::PeerFailed,
                 "the connection with the other ranks broke: " + worker.failure());
  }

  /// On the rendezvous' thread: whoever waits learns at once, and Gloo lets go.
  void interrupt() {
    worker.breakOff();
    letGo();
  }

  /// The thread is still in there: what it uses stays until the process ends.
  void leaveBehind() {
    static auto *left = new std::vector<std::pair<danaus_gloo *, std::unique_ptr<SharedSums>>>();
    left->emplace_back(gloo, std::move(shared));
  }

  void letGo() {
    std::lock_guard lock(means);
    hasLetGo = true;
    if (gloo)
      functions.abort(gloo);
    if (shared)
      shared->abort();
    if (deviceSums)
      deviceSums->abort();
  }

  Device &device;
  GlooFunctions functions;
  std::unique_ptr<RendezvousServer> server; ///< of rank 0
  std::unique_ptr<Membership> member;
  /// Guards the making of the next three against the rendezvous' thread, which may let go
  /// meanwhile.
  std::mutex means;
  bool hasLetGo = false;
  std::atomic<danaus_gloo *> gloo = nullptr; ///< made by the thread
  std::unique_ptr<SharedSums> shared;        ///< null: not all ranks are on this host
  std::unique_ptr<DeviceSums> deviceSums;    ///< null: through host memory
  std::map<uint64_t, Staged> staged;
  bool asked = false, spansHosts = false;
  std::function<void(uint64_t)> onStep;
  OperationThread worker;
};

} // namespace

Expected<std::unique_ptr<Communicator>> joinRanks(const RankEnvironment &environment,
                                                  Device &device, const JoinOptions &options) {
  auto functions = loadGloo();
  if (!functions)
    return functions.takeError();
  auto made = std::make_unique<JobCommunicator>(environment, device, *functions);
  if (Status status = made->join(environment, options); !status) {
    made->fail(status.error()); // else the others would take its end for a goodbye
    return status.takeError();
  }
  return std::unique_ptr<Communicator>(std::move(made));
}

} // namespace danaus
