// See Nccl.h.
#include "runtime/comm/nccl/Nccl.h"

namespace danaus {

Expected<std::shared_ptr<Nccl>> Nccl::open(Kind kind) {
  bool isReal = kind == Kind::Real;
  auto library = DynamicLibrary::open(isReal ? cudaCandidates("libnccl.so.2")
                                             : besideProgram("libdanaus_nccl.so"));
  if (!library)
    return Error(ExitCode::DeviceUnavailable,
                 isReal ? "NCCL is not here: " + library.takeError().message() +
                              "; install libnccl2, or set dist.backend: gloo"
                        : "the virtual GPUs' NCCL is not beside this program: build it: ninja "
                          "danaus_nccl");
  std::shared_ptr<Nccl> nccl(new Nccl(std::move(*library)));
  const DynamicLibrary &from = nccl->library;
  bool whole = from.load("ncclGetVersion", nccl->getVersion) &&
               from.load("ncclGetUniqueId", nccl->getUniqueId) &&
               from.load("ncclCommInitRank", nccl->initRank) &&
               from.load("ncclAllReduce", nccl->allReduce) &&
               from.load("ncclReduceScatter", nccl->reduceScatter) &&
               from.load("ncclAllGather", nccl->allGather) &&
               from.load("ncclCommGetAsyncError", nccl->asyncError) &&
               from.load("ncclCommAbort", nccl->abortComm) &&
               from.load("ncclCommDestroy", nccl->destroyComm) &&
               from.load("ncclGetErrorString", nccl->errorString);
  int version = 0;
  if (!whole || nccl->getVersion(&version) != Success || version < LeastVersion)
    return Error(ExitCode::DeviceUnavailable,
                 nccl->path() + " is NCCL " + std::to_string(version) +
                     ", too old: 2.10 or newer is needed, or set dist.backend: gloo");
  (void)from.load("ncclGetLastError", nccl->lastError); // since 2.13
  return nccl;
}

std::string Nccl::version() const {
  int version = 0;
  (void)getVersion(&version);
  return format("%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
}

Status Nccl::check(int result, const std::string &what) const {
  if (result == Success || result == InProgress)
    return Status::ok();
  std::string why = errorString(result);
  if (const char *more = lastError ? lastError(nullptr) : nullptr; more && *more)
    why += std::string(" (") + more + ")";
  return Error(ExitCode::PeerFailed, "while " + what + ": NCCL: " + why);
}

} // namespace danaus
