// What processes of a job say to each other beside the gradients: small frames over TCP, of limited
// size, so that a stranger on the port can neither fill memory nor be understood.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace danaus {

enum class FrameKind : uint8_t {
  Hello,     ///< number: rank; key: token; value: a Greeting
  Welcome,   ///< all ranks are there
  Set,       ///< key, value: for everybody
  Get,       ///< key: answered by Value once somebody has set it
  Value,     ///< key, value
  Beat,      ///< number: the step at which the sender is
  Failed,    ///< number: exit code; value: what went wrong at the sender
  Abort,     ///< number: exit code; value: why the job ends
  WantsStop, ///< the sender was asked to stop
  StopAfter, ///< number: the step after which all stop; from rank 0
  StopHeard, ///< number: the same; from each rank
  Bye,       ///< the sender is done, all is well
};

struct Frame {
  FrameKind kind = FrameKind::Beat;
  uint64_t number = 0;
  std::string key = {}, value = {};
};

/// Larger ones are not sent, and end the connection that they come from.
inline constexpr size_t MaxFrameBytes = 1 << 20;

/// As bytes: u32 size of the rest, u8 kind, u64 number, u32 size of the key, key, value; all
/// little-endian.
std::string encodeFrame(const Frame &frame);

/// Cuts a stream of bytes into frames.
class FrameReader {
public:
  void add(const char *bytes, size_t count) { pending.append(bytes, count); }
  /// The next frame, nothing while it is not all there; PeerFailed where the bytes are none.
  Expected<std::optional<Frame>> next();

private:
  std::string pending;
};

} // namespace danaus
