// Where the ranks of a job meet: a thread of rank 0 that every rank, rank 0 too, keeps a connection
// to for as long as the job runs. It holds the keys by which a communicator's ranks find each
// other, and notices who does not come, dies, falls silent or fails; then it tells all others, once
// and by name.
#pragma once

#include "runtime/comm/Socket.h"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace danaus {

struct RendezvousOptions {
  std::string address = "127.0.0.1"; ///< that is listened on
  uint16_t port = 0;                 ///< 0: any
  std::string token;                 ///< that a rank must know
  unsigned size = 1;                 ///< ranks
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
};

class RendezvousServer {
public:
  /// DeviceUnavailable where the port is taken.
  static Expected<std::unique_ptr<RendezvousServer>> start(RendezvousOptions options);
  /// Waits until every rank has said goodbye or is gone, at most the timeout.
  ~RendezvousServer();
  RendezvousServer(const RendezvousServer &) = delete;

  uint16_t port() const { return ownPort; }
  /// The step at which rank 0 is, for messages.
  void noteStep(uint64_t step) { ownStep = step; }

private:
  struct Peer {
    FrameConnection connection;
    std::optional<unsigned> rank; ///< nothing before its Hello
    std::string place;            ///< "host pid 123"
    Clock::time_point lastHeard;
    uint64_t step = 0;
    bool saidBye = false;
    bool isClosed = false;
  };

  explicit RendezvousServer(RendezvousOptions options) : options(std::move(options)) {}
  void work();
  void accept();
  void read(Peer &peer);
  void take(Peer &peer, Frame frame);
  void greet(Peer &peer, const Frame &hello);
  void answer(const std::string &key);
  void send(Peer &peer, const Frame &frame);
  void sendAll(const Frame &frame);
  void checkTimes();
  void fail(const std::string &message, ExitCode code = ExitCode::PeerFailed);
  std::string nameOf(const Peer &peer) const;
  uint64_t latestStep() const;
  bool isOver() const;

  RendezvousOptions options;
  uint16_t ownPort = 0;
  FileHandle listener;
  WakeUp wakeUp;
  std::thread thread;
  std::atomic<bool> ending = false;
  std::atomic<uint64_t> ownStep = 0;

  // Of the thread.
  std::vector<std::unique_ptr<Peer>> peers;
  std::map<std::string, std::string> values;
  std::multimap<std::string, Peer *> waiting; ///< for a value
  Clock::time_point began = Clock::now(), lastBeat;
  bool isComplete = false;
  std::optional<Frame> abort; ///< why the job ended
};

} // namespace danaus
