// Sums over TCP by Gloo, in host memory, by a thread of their own beside the computation. Where the
// device's memory is its own the sums go through the host: correct everywhere, fast on CPUs.
#pragma once

#include "runtime/comm/Communicator.h"
#include "runtime/comm/Membership.h"
#include "runtime/comm/RankEnvironment.h"

#include <functional>

namespace danaus {

struct JoinOptions {
  std::chrono::milliseconds timeout = std::chrono::seconds(60); ///< of silence
  std::chrono::milliseconds joinTimeout = std::chrono::seconds(60);
  std::function<void(uint64_t)> onStep = [](uint64_t) {}; ///< noteStep tells it too
};

/// Meets the other ranks (rank 0 is where they meet) and connects with all of them. `device` must
/// outlive the communicator. Usage or DeviceUnavailable where this host cannot; PeerFailed where
/// others do not come.
Expected<std::unique_ptr<Communicator>> joinWithGloo(const RankEnvironment &environment,
                                                     Device &device, const JoinOptions &options);

} // namespace danaus
