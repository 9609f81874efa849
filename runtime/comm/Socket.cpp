// See Socket.h.
#include "runtime/comm/Socket.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace danaus {

namespace {

struct AddressList {
  addrinfo *first = nullptr;
  ~AddressList() {
    if (first)
      ::freeaddrinfo(first);
  }
};

Status resolve(const std::string &host, uint16_t port, int flags, AddressList &into) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &into.first);
  if (code == 0)
    return Status::ok();
  return Error(ExitCode::DeviceUnavailable,
               "'" + host + "' is no address that this machine knows: " + ::gai_strerror(code));
}

void setOption(int socket, int level, int option, int value) {
  (void)::setsockopt(socket, level, option, &value, sizeof value);
}

} // namespace

FileHandle &FileHandle::operator=(FileHandle &&other) noexcept {
  if (this != &other) {
    reset();
    descriptor = other.release();
  }
  return *this;
}

int FileHandle::release() { return std::exchange(descriptor, -1); }

void FileHandle::reset() {
  if (descriptor >= 0)
    ::close(std::exchange(descriptor, -1));
}

Expected<FileHandle> listenOn(const std::string &address, uint16_t port) {
  AddressList found;
  if (Status status = resolve(address, port, AI_PASSIVE, found); !status)
    return status.takeError();
  int code = 0;
  for (addrinfo *each = found.first; each; each = each->ai_next) {
    FileHandle listener(::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listener) {
      code = errno;
      continue;
    }
    setOption(listener.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(listener.get(), each->ai_addr, each->ai_addrlen) == 0 &&
        ::listen(listener.get(), 128) == 0)
      return listener;
    code = errno;
  }
  return Error(ExitCode::DeviceUnavailable,
               format("cannot listen on %s, port %u: %s%s", address.c_str(), port,
                      std::strerror(code),
                      code == EADDRINUSE ? " (another job? choose another MASTER_PORT)" : ""));
}

Expected<uint16_t> portOf(const FileHandle &listener) {
  sockaddr_storage own = {};
  socklen_t size = sizeof own;
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr *>(&own), &size) != 0)
    return Error(ExitCode::Internal, format("getsockname: %s", std::strerror(errno)));
  return ntohs(own.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6 &>(own).sin6_port
                                         : reinterpret_cast<sockaddr_in &>(own).sin_port);
}

FileHandle acceptFrom(const FileHandle &listener) {
  return FileHandle(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

/// One try at one address, for at most `patience`.
static FileHandle tryConnect(const addrinfo &address, std::chrono::milliseconds patience) {
  FileHandle socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket)
    return {};
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) != 0) {
    pollfd waiting = {socket.get(), POLLOUT, 0};
    int code = errno;
    socklen_t size = sizeof code;
    if (code != EINPROGRESS || ::poll(&waiting, 1, int(patience.count())) != 1 ||
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &code, &size) != 0 || code != 0) {
      errno = code == EINPROGRESS ? ETIMEDOUT : code;
      return {};
    }
  }
  (void)::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) & ~O_NONBLOCK);
  return socket;
}

Expected<FileHandle> connectTo(const std::string &host, uint16_t port, Clock::time_point deadline) {
  using namespace std::chrono_literals;
  std::string why;
  do {
    AddressList found;
    if (Status status = resolve(host, port, 0, found); !status)
      why = status.error().message();
    for (addrinfo *each = found.first; each; each = each->ai_next) {
      FileHandle socket = tryConnect(*each, 2000ms);
      if (socket)
        return socket;
      why = std::strerror(errno);
    }
    std::this_thread::sleep_for(50ms);
  } while (Clock::now() < deadline);
  return Error(ExitCode::PeerFailed,
               format("cannot reach rank 0 at %s, port %u: %s", host.c_str(), port, why.c_str()));
}

bool isLoopback(const std::string &host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

static std::string numberOf(const sockaddr *address, socklen_t size) {
  char text[NI_MAXHOST] = "";
  (void)::getnameinfo(address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return text;
}

bool resolvesToLoopback(const std::string &host) {
  AddressList found;
  if (!resolve(host, 0, 0, found))
    return false;
  for (addrinfo *each = found.first; each; each = each->ai_next)
    if (!isLoopback(numberOf(each->ai_addr, each->ai_addrlen)))
      return false;
  return found.first != nullptr;
}

std::optional<std::string> outwardAddress() {
  ifaddrs *all = nullptr;
  if (::getifaddrs(&all) != 0)
    return std::nullopt;
  std::optional<std::string> found;
  for (ifaddrs *each = all; each && !found; each = each->ifa_next)
    if (each->ifa_addr && each->ifa_addr->sa_family == AF_INET && (each->ifa_flags & IFF_UP) &&
        !(each->ifa_flags & IFF_LOOPBACK))
      found = numberOf(each->ifa_addr, sizeof(sockaddr_in));
  ::freeifaddrs(all);
  return found;
}

std::string ownAddressOf(const FileHandle &connection) {
  sockaddr_storage own = {};
  socklen_t size = sizeof own;
  char text[NI_MAXHOST] = "127.0.0.1";
  if (::getsockname(connection.get(), reinterpret_cast<sockaddr *>(&own), &size) == 0)
    (void)::getnameinfo(reinterpret_cast<sockaddr *>(&own), size, text, sizeof text, nullptr, 0,
                        NI_NUMERICHOST);
  return text;
}

std::string ownHostName() {
  char name[256] = "";
  (void)::gethostname(name, sizeof name - 1);
  return name[0] ? name : "this host";
}

FrameConnection::FrameConnection(FileHandle connection) : handle(std::move(connection)) {
  setOption(handle.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  timeval patience = {5, 0};
  (void)::setsockopt(handle.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

Status FrameConnection::send(const Frame &frame) {
  std::string bytes = encodeFrame(frame);
  if (bytes.size() > MaxFrameBytes)
    return Error(ExitCode::Internal, format("a frame of %zu bytes", bytes.size()));
  for (size_t sent = 0; sent < bytes.size();) {
    ssize_t count = ::send(handle.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return Error(ExitCode::PeerFailed, format("the connection broke: %s", std::strerror(errno)));
    sent += size_t(count);
  }
  return Status::ok();
}

bool FrameConnection::receive() {
  char bytes[65536];
  ssize_t count;
  do
    count = ::recv(handle.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  while (count < 0 && errno == EINTR);
  if (count > 0)
    reader.add(bytes, size_t(count));
  return count > 0 || (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

WakeUp::WakeUp() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
    reading = FileHandle(ends[0]);
    writing = FileHandle(ends[1]);
  }
}

void WakeUp::wake() { (void)!::write(writing.get(), "", 1); }

void WakeUp::clear() {
  char bytes[64];
  while (::read(reading.get(), bytes, sizeof bytes) > 0)
    ;
}

} // namespace danaus
