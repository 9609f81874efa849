// See Frame.h.
#include "runtime/comm/Frame.h"

#include <cstring>

namespace danaus {

namespace {
constexpr size_t HeadBytes = 1 + 8 + 4; ///< behind the size

template <typename T> void put(std::string &into, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    into.push_back(char(value >> (8 * i)));
}

template <typename T> T take(const char *bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= T(uint8_t(bytes[i])) << (8 * i);
  return value;
}
} // namespace

std::string encodeFrame(const Frame &frame) {
  std::string bytes;
  put(bytes, uint32_t(HeadBytes + frame.key.size() + frame.value.size()));
  bytes.push_back(char(frame.kind));
  put(bytes, frame.number);
  put(bytes, uint32_t(frame.key.size()));
  return bytes + frame.key + frame.value;
}

Expected<std::optional<Frame>> FrameReader::next() {
  if (pending.size() < sizeof(uint32_t))
    return std::optional<Frame>();
  size_t size = take<uint32_t>(pending.data());
  if (size < HeadBytes || size > MaxFrameBytes)
    return Error(ExitCode::PeerFailed, format("a frame of %zu bytes", size));
  if (pending.size() < sizeof(uint32_t) + size)
    return std::optional<Frame>();
  const char *bytes = pending.data() + sizeof(uint32_t);
  size_t keySize = take<uint32_t>(bytes + 9);
  if (uint8_t(bytes[0]) > uint8_t(FrameKind::Bye) || keySize > size - HeadBytes)
    return Error(ExitCode::PeerFailed, "a frame that is none");
  Frame frame;
  frame.kind = FrameKind(bytes[0]);
  frame.number = take<uint64_t>(bytes + 1);
  frame.key.assign(bytes + HeadBytes, keySize);
  frame.value.assign(bytes + HeadBytes + keySize, size - HeadBytes - keySize);
  pending.erase(0, sizeof(uint32_t) + size);
  return std::optional<Frame>(std::move(frame));
}

} // namespace danaus
