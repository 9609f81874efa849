// Sums over TCP by Gloo, in host memory, by a thread of their own beside the computation. Between
// GPUs gradients are added up by NCCL, and Gloo does the rest; without NCCL they go through the
// host, which is correct everywhere.
#pragma once

#include "runtime/comm/Communicator.h"
#include "runtime/comm/Membership.h"
#include "runtime/comm/RankEnvironment.h"

#include <functional>

namespace danaus {

/// What adds up gradients; Auto: NCCL between GPUs, shared memory between ranks of one host, else
/// Gloo.
enum class SumBackend { Auto, Gloo, Nccl };

struct JoinOptions {
  SumBackend backend = SumBackend::Auto;
  std::function<void(const std::string &)> onNote = [](const std::string &) {};
  std::chrono::milliseconds timeout = std::chrono::seconds(60); ///< of silence
  std::chrono::milliseconds joinTimeout = std::chrono::seconds(60);
  /// That Gloo's threads may use; empty: those of this process. More than the computation has:
  /// where a thread of Gloo waits for another it asks again and again, and alone on a core that
  /// costs the rest of a time slice, 4 ms, for every message.
  std::vector<int> cores = {};
  std::function<void(uint64_t)> onStep = [](uint64_t) {}; ///< noteStep tells it too
};

/// Meets the other ranks (rank 0 is where they meet) and connects with all of them. `device` must
/// outlive the communicator. Usage or DeviceUnavailable where this host cannot; PeerFailed where
/// others do not come.
Expected<std::unique_ptr<Communicator>> joinRanks(const RankEnvironment &environment,
                                                  Device &device, const JoinOptions &options);

} // namespace danaus
