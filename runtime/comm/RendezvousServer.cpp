// See RendezvousServer.h. One thread that waits for all connections at once; nothing here blocks
// longer than a socket takes to refuse a few bytes.
#include "runtime/comm/RendezvousServer.h"

#include "runtime/base/BlockedSignals.h"

#include <algorithm>
#include <poll.h>
#include <system_error>

namespace danaus {

namespace {
/// A stranger who connects and says nothing is dropped after this.
constexpr std::chrono::seconds GreetingTime(10);
/// Connections beyond one a rank: strangers, and ranks that come again.
constexpr size_t SpareConnections = 64;
} // namespace

Expected<std::unique_ptr<RendezvousServer>> RendezvousServer::start(RendezvousOptions options) {
  std::unique_ptr<RendezvousServer> server(new RendezvousServer(std::move(options)));
  auto listener = listenOn(server->options.address, server->options.port);
  if (!listener)
    return listener.takeError();
  server->listener = std::move(*listener);
  auto port = portOf(server->listener);
  if (!port)
    return port.takeError();
  server->ownPort = *port;
  try {
    BlockedSignals blocked;
    server->thread = std::thread([raw = server.get()] { raw->work(); });
  } catch (const std::system_error &error) {
    return Error(ExitCode::DeviceUnavailable,
                 format("cannot start the thread that ranks meet at: %s", error.what()));
  }
  return server;
}

RendezvousServer::~RendezvousServer() {
  ending = true;
  wakeUp.wake();
  if (thread.joinable())
    thread.join();
}

bool RendezvousServer::isOver() const {
  return std::ranges::all_of(peers,
                             [](const auto &peer) { return peer->saidBye || peer->isClosed; });
}

void RendezvousServer::work() {
  constexpr int look = 200, lookAtEnd = 20; // ms: how late a silence is noticed
  Clock::time_point deadline = Clock::time_point::max();
  for (;;) {
    if (ending && deadline == Clock::time_point::max())
      deadline = Clock::now() + (abort ? std::chrono::milliseconds(1000) : options.timeout);
    if (ending && (isOver() || Clock::now() >= deadline))
      return;
    std::vector<pollfd> all = {{listener.get(), POLLIN, 0}, {wakeUp.descriptor(), POLLIN, 0}};
    std::vector<Peer *> order;
    for (auto &peer : peers)
      if (!peer->isClosed) {
        all.push_back({peer->connection.descriptor(), POLLIN, 0});
        order.push_back(peer.get());
      }
    (void)::poll(all.data(), all.size(), ending ? lookAtEnd : look);
    wakeUp.clear();
    for (size_t i = 0; i < order.size(); ++i)
      if (all[i + 2].revents)
        read(*order[i]);
    if (all[0].revents)
      accept();
    checkTimes();
  }
}

void RendezvousServer::accept() {
  FileHandle connection = acceptFrom(listener);
  if (!connection || peers.size() >= options.size + SpareConnections)
    return;
  auto peer = std::make_unique<Peer>();
  peer->connection = FrameConnection(std::move(connection));
  peer->lastHeard = Clock::now();
  peers.push_back(std::move(peer));
}

void RendezvousServer::read(Peer &peer) {
  bool isOpen = peer.connection.receive();
  while (!peer.isClosed) {
    auto frame = peer.connection.next();
    if (!frame) {
      isOpen = false;
      break;
    }
    if (!*frame)
      break;
    take(peer, std::move(**frame));
  }
  if (isOpen || peer.isClosed)
    return;
  peer.isClosed = true;
  peer.connection.close();
  std::erase_if(waiting, [&](const auto &entry) { return entry.second == &peer; });
  if (peer.rank && !peer.saidBye)
    fail(format("%s is gone, at step %llu: it was killed or crashed, or the network broke",
                nameOf(peer).c_str(), (unsigned long long)latestStep()));
}

void RendezvousServer::take(Peer &peer, Frame frame) {
  peer.lastHeard = Clock::now();
  if (!peer.rank && frame.kind != FrameKind::Hello) {
    peer.isClosed = true;
    return peer.connection.close();
  }
  switch (frame.kind) {
  case FrameKind::Hello:
    return greet(peer, frame);
  case FrameKind::Set:
    values[frame.key] = std::move(frame.value);
    return answer(frame.key);
  case FrameKind::Get:
    waiting.insert({frame.key, &peer});
    return answer(frame.key);
  case FrameKind::Beat:
    peer.step = frame.number;
    return;
  case FrameKind::Failed:
    peer.saidBye = true;
    return fail(nameOf(peer) + " failed: " + frame.value);
  case FrameKind::WantsStop:
  case FrameKind::StopHeard: // both are for rank 0
    for (auto &each : peers)
      if (each->rank == 0u)
        send(*each, frame);
    return;
  case FrameKind::StopAfter:
    return sendAll(frame);
  case FrameKind::Bye:
    peer.saidBye = true;
    return;
  case FrameKind::Welcome:
  case FrameKind::Value:
  case FrameKind::Abort:
    return; // nobody sends us these
  }
}

void RendezvousServer::greet(Peer &peer, const Frame &hello) {
  auto refuse = [&](const std::string &why) {
    send(peer, {FrameKind::Abort, uint64_t(ExitCode::PeerFailed), "", why});
    peer.isClosed = true;
    peer.connection.close();
  };
  if (hello.key != options.token)
    return refuse("rank 0 belongs to another job: the token differs");
  size_t space = hello.value.find(' ');
  unsigned size = unsigned(std::strtoul(hello.value.c_str(), nullptr, 10));
  std::string place = space == std::string::npos ? "?" : hello.value.substr(space + 1);
  unsigned rank = unsigned(hello.number);
  if (size != options.size || hello.number >= options.size) {
    std::string why = format("rank %u on %s says that it is one of %u ranks, rank 0 that there are "
                             "%u: the environments of the ranks differ",
                             rank, place.c_str(), size, options.size);
    refuse(why);
    return fail(why);
  }
  for (auto &each : peers)
    if (each->rank == rank) {
      std::string why = format("rank %u is there twice: on %s and on %s", rank, each->place.c_str(),
                               place.c_str());
      refuse(why);
      return fail(why);
    }
  peer.rank = rank;
  peer.place = place;
  if (abort)
    return send(peer, *abort);
  auto known = std::ranges::count_if(peers, [](const auto &each) { return bool(each->rank); });
  if (!isComplete && size_t(known) == options.size) {
    isComplete = true;
    sendAll({FrameKind::Welcome});
  }
}

void RendezvousServer::answer(const std::string &key) {
  auto found = values.find(key);
  if (found == values.end())
    return;
  auto [begin, end] = waiting.equal_range(key);
  for (auto each = begin; each != end; ++each)
    send(*each->second, {FrameKind::Value, 0, key, found->second});
  waiting.erase(begin, end);
}

/// One who is gone is noticed when we read.
void RendezvousServer::send(Peer &peer, const Frame &frame) {
  if (!peer.isClosed)
    (void)peer.connection.send(frame);
}

void RendezvousServer::sendAll(const Frame &frame) {
  for (auto &peer : peers)
    if (peer->rank && !peer->saidBye)
      send(*peer, frame);
}

void RendezvousServer::checkTimes() {
  Clock::time_point now = Clock::now();
  auto interval = std::min<std::chrono::milliseconds>(options.timeout / 4, std::chrono::seconds(1));
  if (now - lastBeat >= interval) {
    lastBeat = now;
    sendAll({FrameKind::Beat});
  }
  for (auto &peer : peers)
    if (!peer->rank && !peer->isClosed && now - peer->lastHeard > GreetingTime) {
      peer->isClosed = true;
      peer->connection.close();
    }
  std::erase_if(peers, [](const auto &peer) { return peer->isClosed && !peer->rank; });
  double seconds = std::chrono::duration<double>(options.timeout).count();
  if (!isComplete && !ending && now - began > options.timeout) {
    std::string missing;
    for (unsigned rank = 0; rank < options.size; ++rank)
      if (std::ranges::none_of(peers, [&](const auto &peer) { return peer->rank == rank; }))
        missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
    fail(format("rank %s of %u did not come to %s, port %u, within %g s", missing.c_str(),
                options.size, options.address.c_str(), ownPort, seconds));
  }
  for (auto &peer : peers)
    if (peer->rank && !peer->saidBye && !peer->isClosed && now - peer->lastHeard > options.timeout)
      fail(format("%s has been silent for %g s, at step %llu: it is stopped, or the network is "
                  "down (dist.timeout_s)",
                  nameOf(*peer).c_str(), seconds, (unsigned long long)latestStep()));
}

void RendezvousServer::fail(const std::string &message, ExitCode code) {
  if (abort)
    return; // the first is the cause, the others its consequences
  abort = Frame{FrameKind::Abort, uint64_t(code), "", message};
  sendAll(*abort);
}

std::string RendezvousServer::nameOf(const Peer &peer) const {
  return format("rank %u on %s", *peer.rank, peer.place.c_str());
}

/// All ranks are within a step of each other: every step adds up over all of them.
uint64_t RendezvousServer::latestStep() const {
  uint64_t latest = ownStep;
  for (auto &peer : peers)
    latest = std::max(latest, peer->step);
  return latest;
}

} // namespace danaus
