// libdanaus_nccl.so: NCCL's interface over virtual GPUs, for tests. Ranks are processes of one
// machine; rank 0 of a communicator adds up, in the order of the ranks, and sends the sums back.
// Checks what NCCL leaves to the caller: that all ranks ask for the same operation, in the same
// order, of the same length and type. Says who waited for whom where a rank does not come. Memory
// is read and written through the virtual GPU's own copies on the caller's stream, so that its race
// detector sees what a sum touches.
#include "runtime/comm/Socket.h"
#include "runtime/comm/nccl/Nccl.h"
#include "runtime/comm/nccl/stand_in/VirtualGpu.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using namespace danaus;

namespace {

enum Result {
  Success = 0,
  UnhandledError = 1,
  SystemError = 2,
  InternalError = 3,
  InvalidArgument = 4,
  InvalidUsage = 5,
  RemoteError = 6
};

thread_local std::string failure;
constexpr auto Patience = std::chrono::seconds(60);

Result fail(Result result, std::string text) {
  failure = std::move(text);
  return result;
}

enum class Kind : int32_t { AllReduce, ReduceScatter, AllGather };

/// What a rank asks for, as it goes over the wire; then the values. `count`: of all parts.
struct Request {
  uint64_t sequence = 0, count = 0;
  Kind kind = Kind::AllReduce;
  int32_t type = 0, operation = 0;
  bool operator==(const Request &) const = default;
};

std::string describe(const Request &request) {
  static const char *names[] = {"all-reduce", "reduce-scatter", "all-gather"};
  return format("operation %llu: %s of %llu elements, type %d, operator %d",
                (unsigned long long)request.sequence, names[size_t(request.kind)],
                (unsigned long long)request.count, request.type, request.operation);
}

/// The address that an id stands for.
struct Id {
  char magic[8] = {'d', 'a', 'n', 'a', 'u', 's', 'n', 0};
  uint16_t port = 0;
};

/// Listeners whose ids this process gave away and which no communicator has taken yet.
std::vector<std::pair<uint16_t, FileHandle>> &listeners() {
  static std::vector<std::pair<uint16_t, FileHandle>> all;
  return all;
}

} // namespace

struct ncclComm {
  int rank = 0, size = 1;
  VirtualGpu gpu;
  uint64_t sequence = 0;
  std::vector<FileHandle> peers; ///< of rank 0: all others, by rank; of others: rank 0 alone
  std::atomic<bool> aborted = false;
  WakeUp wakeUp;

  /// All of `bytes`, or why not. `who` is whom this rank waits for.
  Result receive(const FileHandle &from, void *bytes, size_t count, const std::string &who) {
    Clock::time_point deadline = Clock::now() + Patience;
    for (size_t got = 0; got < count;) {
      pollfd waiting[] = {{from.get(), POLLIN, 0}, {wakeUp.descriptor(), POLLIN, 0}};
      (void)::poll(waiting, 2, 200);
      if (aborted)
        return fail(RemoteError,
                    format("rank %d was aborted while it waited for %s", rank, who.c_str()));
      if (Clock::now() > deadline)
        return fail(RemoteError, format("rank %d has waited in vain for %s, at operation %llu",
                                        rank, who.c_str(), (unsigned long long)sequence));
      if (!waiting[0].revents)
        continue;
      ssize_t some = ::read(from.get(), static_cast<char *>(bytes) + got, count - got);
      if (some <= 0)
        return fail(RemoteError, format("rank %d: %s is gone", rank, who.c_str()));
      got += size_t(some);
    }
    return Success;
  }

  Result send(const FileHandle &to, const void *bytes, size_t count, const std::string &who) {
    for (size_t sent = 0; sent < count;) {
      ssize_t some =
          ::send(to.get(), static_cast<const char *>(bytes) + sent, count - sent, MSG_NOSIGNAL);
      if (some <= 0)
        return fail(RemoteError, format("rank %d: %s is gone", rank, who.c_str()));
      sent += size_t(some);
    }
    return Success;
  }

  /// Elements that a rank brings, and gets, and where they begin in the whole.
  struct Range {
    size_t first, count;
  };
  Range given(const Request &request, int by) const {
    return request.kind == Kind::AllGather ? partOf(request, by) : Range{0, request.count};
  }
  Range taken(const Request &request, int by) const {
    return request.kind == Kind::ReduceScatter ? partOf(request, by) : Range{0, request.count};
  }
  Range partOf(const Request &request, int of) const {
    size_t part = request.count / size_t(size);
    return {size_t(of) * part, part};
  }

  Result meet(uint16_t port);
  Result run(Request request, const void *from, void *to, cuda::CUstream stream);
  Result workAtFirst(const Request &request, std::vector<float> &values);
  Result workAtOther(const Request &request, std::vector<float> &values);
};

Result ncclComm::meet(uint16_t port) {
  if (rank != 0) {
    auto connection = connectTo("127.0.0.1", port, Clock::now() + Patience);
    if (!connection)
      return fail(RemoteError, connection.takeError().message());
    peers.push_back(std::move(*connection));
    int32_t hello[] = {rank, size};
    return send(peers[0], hello, sizeof hello, "rank 0");
  }
  auto &all = listeners();
  auto mine = std::find_if(all.begin(), all.end(), [&](auto &each) { return each.first == port; });
  if (mine == all.end())
    return fail(InvalidUsage, "rank 0 must be in the process that made the unique id");
  FileHandle listener = std::move(mine->second);
  all.erase(mine);
  peers.resize(size_t(size));
  for (int known = 1; known < size; ++known) {
    pollfd waiting = {listener.get(), POLLIN, 0};
    if (::poll(&waiting, 1, int(std::chrono::milliseconds(Patience).count())) != 1)
      return fail(RemoteError,
                  format("rank 0 has waited in vain: %d of %d ranks came", known, size));
    FileHandle peer = acceptFrom(listener);
    int32_t hello[2] = {};
    if (Result result = receive(peer, hello, sizeof hello, "a rank's name"); result != Success)
      return result;
    if (hello[1] != size || hello[0] < 1 || hello[0] >= size || peers[size_t(hello[0])])
      return fail(InvalidUsage,
                  format("rank %d of %d joins %d ranks: there already, or none of them", hello[0],
                         hello[1], size));
    peers[size_t(hello[0])] = std::move(peer);
  }
  return Success;
}

/// `values`: all of the operation, of which rank 0 has what it gives, and gets what it and others
/// take. Adds in the order of the ranks: the same bits whatever comes first.
Result ncclComm::workAtFirst(const Request &request, std::vector<float> &values) {
  std::vector<float> others(values.size());
  std::string mismatch;
  for (int other = 1; other < size; ++other) {
    std::string who = format("rank %d", other);
    Request theirs;
    if (Result result = receive(peers[size_t(other)], &theirs, sizeof theirs, who);
        result != Success)
      return result;
    if (theirs != request) {
      mismatch = who + " asks for " + describe(theirs) + "; rank 0 for " + describe(request);
      break;
    }
    Range range = given(request, other);
    float *into = (request.kind == Kind::AllGather ? values : others).data() + range.first;
    if (Result result = receive(peers[size_t(other)], into, range.count * sizeof(float), who);
        result != Success)
      return result;
    if (request.kind != Kind::AllGather)
      for (size_t i = 0; i < values.size(); ++i)
        values[i] += others[i];
  }
  int32_t verdict = mismatch.empty() ? Success : InvalidUsage;
  for (int other = 1; other < size; ++other) {
    std::string who = format("rank %d", other);
    if (Result result = send(peers[size_t(other)], &verdict, sizeof verdict, who);
        result != Success)
      return result;
    Range range = taken(request, other);
    if (verdict == Success)
      if (Result result = send(peers[size_t(other)], values.data() + range.first,
                               range.count * sizeof(float), who);
          result != Success)
        return result;
  }
  return mismatch.empty() ? Success : fail(InvalidUsage, mismatch);
}

Result ncclComm::workAtOther(const Request &request, std::vector<float> &values) {
  if (Result result = send(peers[0], &request, sizeof request, "rank 0"); result != Success)
    return result;
  Range range = given(request, rank);
  if (Result result =
          send(peers[0], values.data() + range.first, range.count * sizeof(float), "rank 0");
      result != Success)
    return result;
  int32_t verdict = 0;
  if (Result result = receive(peers[0], &verdict, sizeof verdict, "rank 0"); result != Success)
    return result;
  if (verdict != Success)
    return fail(InvalidUsage, format("rank %d: the ranks ask for different operations; rank 0 says "
                                     "which. Here %s",
                                     rank, describe(request).c_str()));
  range = taken(request, rank);
  return receive(peers[0], values.data() + range.first, range.count * sizeof(float), "rank 0");
}

/// Reads what this rank gives at `from`, and writes what it takes to `to`.
Result ncclComm::run(Request request, const void *from, void *to, cuda::CUstream stream) {
  if (request.type != Nccl::Float32 || request.operation != Nccl::Sum)
    return fail(InvalidArgument, "the stand-in adds up float32 only");
  request.sequence = sequence++;
  std::vector<float> values(request.count);
  Range gives = given(request, rank), takes = taken(request, rank);
  int result = gpu.toHost(values.data() + gives.first, cuda::CUdeviceptr(from),
                          gives.count * sizeof(float), stream);
  if (result == 0)
    result = gpu.synchronize(stream);
  if (result != 0)
    return fail(UnhandledError, format("the virtual GPU says %d", result));
  Result done = rank == 0 ? workAtFirst(request, values) : workAtOther(request, values);
  if (done != Success)
    return done;
  result = gpu.toDevice(cuda::CUdeviceptr(to), values.data() + takes.first,
                        takes.count * sizeof(float), stream);
  return result == 0 ? Success : fail(UnhandledError, format("the virtual GPU says %d", result));
}

#define NCCL_EXPORT extern "C" __attribute__((visibility("default"))) int

NCCL_EXPORT ncclGetVersion(int *version) {
  *version = 22800;
  return Success;
}

NCCL_EXPORT ncclGetUniqueId(danaus_nccl_id *id) {
  auto listener = listenOn("127.0.0.1", 0);
  if (!listener)
    return fail(SystemError, listener.takeError().message());
  Id own;
  own.port = *portOf(*listener);
  listeners().emplace_back(own.port, std::move(*listener));
  std::memset(id, 0, sizeof *id);
  std::memcpy(id, &own, sizeof own);
  return Success;
}

NCCL_EXPORT ncclCommInitRank(ncclComm **comm, int size, danaus_nccl_id id, int rank) {
  Id wanted, own;
  std::memcpy(&wanted, &id, sizeof wanted);
  if (size < 1 || rank < 0 || rank >= size ||
      std::memcmp(wanted.magic, own.magic, sizeof own.magic) != 0)
    return fail(InvalidArgument, format("rank %d of %d, or an id of another NCCL", rank, size));
  auto made = std::make_unique<ncclComm>();
  made->rank = rank;
  made->size = size;
  if (!made->gpu.load())
    return fail(SystemError, "no virtual GPU is loaded in this process");
  if (Result result = made->meet(wanted.port); result != Success)
    return result;
  *comm = made.release();
  return Success;
}

NCCL_EXPORT ncclAllReduce(const void *from, void *to, size_t count, int type, int operation,
                          ncclComm *comm, cuda::CUstream stream) {
  return comm->run({0, count, Kind::AllReduce, type, operation}, from, to, stream);
}

/// A part is in memory apart, or at this rank's place of the whole: anywhere else it would be
/// overwritten while it is read.
static Result checkInPlace(const ncclComm &comm, const void *whole, const void *part,
                           size_t count) {
  uintptr_t begin = uintptr_t(whole), own = uintptr_t(part), bytes = count * sizeof(float);
  bool isApart = own + bytes <= begin || own >= begin + size_t(comm.size) * bytes;
  return isApart || own == begin + size_t(comm.rank) * bytes
             ? Success
             : fail(InvalidUsage,
                    format("rank %d: its part is in the whole, but not in its place", comm.rank));
}

NCCL_EXPORT ncclReduceScatter(const void *from, void *to, size_t count, int type, int operation,
                              ncclComm *comm, cuda::CUstream stream) {
  Result placed = checkInPlace(*comm, from, to, count);
  Request request{0, count * size_t(comm->size), Kind::ReduceScatter, type, operation};
  return placed == Success ? comm->run(request, from, to, stream) : placed;
}

NCCL_EXPORT ncclAllGather(const void *from, void *to, size_t count, int type, ncclComm *comm,
                          cuda::CUstream stream) {
  Result placed = checkInPlace(*comm, to, from, count);
  Request request{0, count * size_t(comm->size), Kind::AllGather, type, Nccl::Sum};
  return placed == Success ? comm->run(request, from, to, stream) : placed;
}

NCCL_EXPORT ncclCommGetAsyncError(ncclComm *comm, int *result) {
  *result = comm->aborted ? RemoteError : Success;
  return Success;
}

/// The communicator stays: another thread may be in it.
NCCL_EXPORT ncclCommAbort(ncclComm *comm) {
  comm->aborted = true;
  comm->wakeUp.wake();
  return Success;
}

NCCL_EXPORT ncclCommDestroy(ncclComm *comm) {
  delete comm;
  return Success;
}

extern "C" __attribute__((visibility("default"))) const char *ncclGetErrorString(int result) {
  static const char *words[] = {"no error",       "unhandled error",  "system error",
                                "internal error", "invalid argument", "invalid usage",
                                "remote error"};
  return result >= 0 && result < 7 ? words[result] : "unknown error";
}

extern "C" __attribute__((visibility("default"))) const char *ncclGetLastError(ncclComm *) {
  return failure.c_str();
}
