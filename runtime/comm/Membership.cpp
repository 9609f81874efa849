// See Membership.h.
#include "runtime/comm/Membership.h"

#include "runtime/base/BlockedSignals.h"

#include <poll.h>
#include <system_error>
#include <unistd.h>

namespace danaus {

Expected<std::unique_ptr<Membership>> Membership::join(Options options) {
  std::unique_ptr<Membership> member(new Membership(std::move(options)));
  if (Status status = member->greet(); !status)
    return status.takeError();
  // Rank 0 names those that are missing when the time is over: give it a little more.
  Status status = member->waitFor([&] { return member->isWelcome; });
  if (!status)
    return status.takeError();
  return member;
}

Status Membership::greet() {
  auto socket = connectTo(options.host, options.port, Clock::now() + options.timeout);
  if (!socket)
    return socket.takeError();
  address = ownAddressOf(*socket);
  connection = FrameConnection(std::move(*socket));
  std::string place = format("%u %s (process %d)", options.size, ownHostName().c_str(), getpid());
  if (Status status = connection.send({FrameKind::Hello, options.rank, options.token, place});
      !status)
    return status;
  try {
    BlockedSignals blocked;
    thread = std::thread([this] { work(); });
  } catch (const std::system_error &error) {
    return Error(ExitCode::DeviceUnavailable,
                 format("cannot start the thread that hears rank 0: %s", error.what()));
  }
  return Status::ok();
}

Membership::~Membership() {
  {
    std::lock_guard lock(mutex);
    if (!cause && !hasFailed && connection.isOpen())
      (void)send({FrameKind::Bye});
  }
  ending = true;
  wakeUp.wake();
  if (thread.joinable())
    thread.join();
}

void Membership::work() {
  auto interval = std::min<std::chrono::milliseconds>(options.timeout / 4, std::chrono::seconds(1));
  Clock::time_point lastHeard = Clock::now(), lastBeat;
  while (!ending) {
    if (Clock::now() - lastBeat >= interval) {
      lastBeat = Clock::now();
      (void)send({FrameKind::Beat, ownStep});
    }
    pollfd all[] = {{connection.descriptor(), POLLIN, 0}, {wakeUp.descriptor(), POLLIN, 0}};
    (void)::poll(all, 2, int(std::min<int64_t>(interval.count(), 200)));
    wakeUp.clear();
    Clock::time_point now = Clock::now();
    bool isOpen = !all[0].revents || connection.receive();
    if (all[0].revents && isOpen)
      lastHeard = now;
    for (;;) {
      auto frame = connection.next();
      isOpen &= bool(frame);
      if (!frame || !*frame)
        break;
      take(std::move(**frame));
    }
    std::string rank0 = format("rank 0 at %s", options.host.c_str());
    std::string at = format("at step %llu", (unsigned long long)ownStep.load());
    if (!isOpen)
      return endWith(
          Error(ExitCode::PeerFailed,
                rank0 + " is gone, " + at + ": it was killed or crashed, or the network broke"));
    // A process that was stopped finds the time over when it goes on, but news as well.
    if (now - lastHeard > options.timeout)
      return endWith(Error(ExitCode::PeerFailed,
                           rank0 +
                               format(" has been silent for %g s, ",
                                      std::chrono::duration<double>(options.timeout).count()) +
                               at + ": it is stopped, or the network is down (dist.timeout_s)"));
  }
}

void Membership::take(Frame frame) {
  switch (frame.kind) {
  case FrameKind::Abort:
    return endWith(Error(ExitCode(int(frame.number)), frame.value));
  case FrameKind::StopAfter:
    lastStep = frame.number;
    (void)send({FrameKind::StopHeard, frame.number});
    return;
  case FrameKind::WantsStop:
    wantsStop = true;
    return;
  default:
    break;
  }
  std::lock_guard lock(mutex);
  if (frame.kind == FrameKind::Welcome)
    isWelcome = true;
  else if (frame.kind == FrameKind::Value)
    values[frame.key] = std::move(frame.value);
  else if (frame.kind == FrameKind::StopHeard)
    ++stopsHeard;
  changed.notify_all();
}

void Membership::endWith(Error error) {
  {
    std::lock_guard lock(mutex);
    if (cause)
      return;
    cause = std::move(error);
  }
  changed.notify_all();
  options.onFailure();
}

Status Membership::send(const Frame &frame) {
  std::lock_guard lock(sending);
  return connection.send(frame);
}

/// The condition is asked under the mutex.
template <typename Condition> Status Membership::waitFor(Condition condition) {
  std::unique_lock lock(mutex);
  auto enough = options.timeout + std::chrono::seconds(5);
  if (!changed.wait_for(lock, enough, [&] { return cause || condition(); }))
    return Error(ExitCode::PeerFailed, "rank 0 at " + options.host + " does not answer");
  return condition() ? Status::ok() : Status(*cause);
}

Status Membership::set(const std::string &key, const std::string &value) {
  return send({FrameKind::Set, 0, key, value});
}

Expected<std::string> Membership::get(const std::string &key) {
  if (Status status = send({FrameKind::Get, 0, key, ""}); !status)
    return status.takeError();
  if (Status status = waitFor([&] { return values.contains(key); }); !status)
    return status.takeError();
  std::lock_guard lock(mutex);
  return values[key];
}

Status Membership::failure(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex);
  changed.wait_for(lock, patience, [&] { return bool(cause); });
  return cause ? Status(*cause) : Status::ok();
}

void Membership::fail(const Error &error) {
  std::lock_guard lock(mutex);
  if (cause || hasFailed)
    return;
  hasFailed = true;
  (void)send({FrameKind::Failed, uint64_t(error.code()), "", error.message()});
}

void Membership::requestStop() { (void)send({FrameKind::WantsStop, options.rank}); }

Status Membership::announceStop(uint64_t step) {
  {
    std::lock_guard lock(mutex);
    stopsHeard = 0;
  }
  if (Status status = send({FrameKind::StopAfter, step}); !status)
    return status;
  return waitFor([&] { return stopsHeard >= options.size; });
}

} // namespace danaus
