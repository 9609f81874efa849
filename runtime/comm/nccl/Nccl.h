// NCCL, opened by dlopen: NVIDIA's, or for virtual GPUs a stand-in with the same interface
// (runtime/comm/nccl/stand_in). Types and numbers are those of nccl.h, version 2.
#pragma once

#include "runtime/base/DynamicLibrary.h"
#include "runtime/device/cuda/DriverTypes.h"

#include <memory>

extern "C" {
struct ncclComm;
struct danaus_nccl_id { // ncclUniqueId
  char bytes[128];
};
}

namespace danaus {

class Nccl {
public:
  enum class Kind { Real, StandIn };
  static constexpr int Success = 0, InProgress = 7, Float32 = 7, Sum = 0;
  static constexpr int LeastVersion = 21000; ///< 2.10

  /// DeviceUnavailable says what is missing and what to do.
  static Expected<std::shared_ptr<Nccl>> open(Kind kind);

  int (*getVersion)(int *version) = nullptr;
  int (*getUniqueId)(danaus_nccl_id *id) = nullptr;
  int (*initRank)(ncclComm **comm, int size, danaus_nccl_id id, int rank) = nullptr;
  int (*allReduce)(const void *from, void *to, size_t count, int type, int operation,
                   ncclComm *comm, cuda::CUstream stream) = nullptr;
  /// Part r of `from`, of `count` elements each, summed, is rank r's; in place it is where `to` is.
  int (*reduceScatter)(const void *from, void *to, size_t count, int type, int operation,
                       ncclComm *comm, cuda::CUstream stream) = nullptr;
  /// `count`: of what each rank gives.
  int (*allGather)(const void *from, void *to, size_t count, int type, ncclComm *comm,
                   cuda::CUstream stream) = nullptr;
  int (*asyncError)(ncclComm *comm, int *result) = nullptr;
  int (*abortComm)(ncclComm *comm) = nullptr;
  int (*destroyComm)(ncclComm *comm) = nullptr;
  const char *(*errorString)(int result) = nullptr;
  const char *(*lastError)(ncclComm *comm) = nullptr;

  /// "2.28.9"
  std::string version() const;
  /// PeerFailed, "while <what>: <NCCL's words>", unless `result` is success.
  Status check(int result, const std::string &what) const;
  const std::string &path() const { return library.path(); }

private:
  explicit Nccl(DynamicLibrary library) : library(std::move(library)) {}
  DynamicLibrary library;
};

} // namespace danaus
