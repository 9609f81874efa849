// The thread that does a rank's sums and broadcasts, in their order, beside the computation.
#pragma once

#include "runtime/comm/gloo/GlooApi.h"
#include "runtime/device/Device.h"

#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace danaus {

/// Gloo does not let go of an operation whose ranks have fallen silent: then the thread is left
/// behind, with what it uses, until the process ends, which is soon.
class OperationThread {
public:
  /// False where it failed, and why.
  using Operation = std::function<bool(danaus_gloo_error &)>;

  OperationThread();
  ~OperationThread() { (void)stop(); }
  OperationThread(const OperationThread &) = delete;

  /// `cores`: that it, and the threads that it starts, may use; empty: those of the device's
  /// helpers. DeviceUnavailable where the system refuses a thread.
  Status start(const Device &device, const std::vector<int> &cores);

  /// After the operation at hand. False: it did not end, and what it uses must stay.
  bool stop();

  /// Returns the operation's number, for waitFor.
  uint64_t enqueue(Operation operation);
  /// Whether the operation, and all before it, went well; at once false when one has failed.
  bool waitFor(uint64_t number);

  /// No further operation is begun, and nobody waits any more; from any thread.
  void breakOff();
  bool isBroken() const;
  /// Why the operation that failed did.
  std::string failure() const;

private:
  struct State;
  std::shared_ptr<State> state;
  uint64_t enqueued = 0;
  std::thread thread;
};

} // namespace danaus
