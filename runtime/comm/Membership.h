// A rank's place in its job: the connection to rank 0's RendezvousServer, and a thread that shows
// life, hears why the job ends, and agrees on where to stop.
#pragma once

#include "runtime/comm/RendezvousServer.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>

namespace danaus {

class Membership {
public:
  struct Options {
    unsigned rank = 0, size = 1;
    std::string host = "127.0.0.1"; ///< of rank 0
    uint16_t port = 0;
    std::string token;
    std::chrono::milliseconds timeout = std::chrono::seconds(60);
    /// Called once, on the thread, when the job is over because of a failure.
    std::function<void()> onFailure = [] {};
  };

  /// Returns once all ranks are there. PeerFailed: some are not, or rank 0 refuses.
  static Expected<std::unique_ptr<Membership>> join(Options options);
  /// Says goodbye, or after fail() nothing.
  ~Membership();
  Membership(const Membership &) = delete;

  /// The address of this machine that rank 0 is reached from.
  const std::string &ownAddress() const { return address; }

  Status set(const std::string &key, const std::string &value);
  /// Waits until somebody has set it.
  Expected<std::string> get(const std::string &key);

  /// Why the job ended, waiting for up to `patience` for the news; ok: nothing is known.
  Status failure(std::chrono::milliseconds patience = std::chrono::milliseconds(0));
  /// Tells the others that this rank cannot go on.
  void fail(const Error &error);

  /// The step at which this rank is.
  void noteStep(uint64_t step) { ownStep = step; }
  /// Tells rank 0 that this rank was asked to stop.
  void requestStop();
  /// On rank 0: whether any rank was.
  bool stopRequested() const { return wantsStop; }
  /// On rank 0: all ranks stop after this step, which none has ended. Returns once all know.
  Status announceStop(uint64_t step);
  /// The step after which to stop; UINT64_MAX: none.
  uint64_t stopStep() const { return lastStep; }

private:
  explicit Membership(Options options) : options(std::move(options)) {}
  Status greet();
  void work();
  void take(Frame frame);
  void endWith(Error error);
  Status send(const Frame &frame);
  template <typename Condition> Status waitFor(Condition condition);

  Options options;
  std::string address;
  FrameConnection connection;
  std::mutex sending;
  WakeUp wakeUp;
  std::thread thread;
  std::atomic<uint64_t> ownStep = 0, lastStep = UINT64_MAX;
  std::atomic<bool> wantsStop = false, ending = false;

  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by the mutex.
  bool isWelcome = false, hasFailed = false;
  unsigned stopsHeard = 0;
  std::map<std::string, std::string> values;
  std::optional<Error> cause;
};

} // namespace danaus
