// TCP as this room needs it: a listener, connections that carry frames, and a way to wake a thread
// that waits for any of them.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/comm/Frame.h"

#include <chrono>
#include <string>

namespace danaus {

using Clock = std::chrono::steady_clock;

/// Closes a file descriptor.
class FileHandle {
public:
  FileHandle() = default;
  explicit FileHandle(int descriptor) : descriptor(descriptor) {}
  FileHandle(FileHandle &&other) noexcept : descriptor(other.release()) {}
  FileHandle &operator=(FileHandle &&other) noexcept;
  ~FileHandle() { reset(); }
  int get() const { return descriptor; }
  explicit operator bool() const { return descriptor >= 0; }
  void reset();

private:
  int release();
  int descriptor = -1;
};

/// Listens on a port of one address of this machine. Errors: DeviceUnavailable, naming both.
Expected<FileHandle> listenOn(const std::string &address, uint16_t port);
/// Of a listener.
Expected<uint16_t> portOf(const FileHandle &listener);
/// The next connection of a listener that is ready; invalid when it is gone again.
FileHandle acceptFrom(const FileHandle &listener);
/// Tries again until `deadline`: who listens may come later. PeerFailed.
Expected<FileHandle> connectTo(const std::string &host, uint16_t port, Clock::time_point deadline);

/// Whether a name or number means this machine only.
bool isLoopback(const std::string &host);
/// Whether a name's addresses are this machine only.
bool resolvesToLoopback(const std::string &host);
/// An address of this machine that others may reach, IPv4; nothing where it has none.
std::optional<std::string> outwardAddress();
/// The address of this end of a connection, as a number.
std::string ownAddressOf(const FileHandle &connection);
std::string ownHostName();

/// A connection whose frames are read as they come and sent at once. Sending is thread-safe where
/// the caller sees to it.
class FrameConnection {
public:
  FrameConnection() = default;
  explicit FrameConnection(FileHandle connection);
  int descriptor() const { return handle.get(); }
  bool isOpen() const { return bool(handle); }
  const FileHandle &file() const { return handle; }
  void close() { handle.reset(); }

  /// PeerFailed where the other end is gone or does not read.
  Status send(const Frame &frame);
  /// Reads what is there without waiting: false where the other end is gone.
  bool receive();
  /// Of what was received.
  Expected<std::optional<Frame>> next() { return reader.next(); }

private:
  FileHandle handle;
  FrameReader reader;
};

/// Lets one thread wake another that waits in poll().
class WakeUp {
public:
  WakeUp();
  int descriptor() const { return reading.get(); }
  void wake();
  void clear();

private:
  FileHandle reading, writing;
};

} // namespace danaus
