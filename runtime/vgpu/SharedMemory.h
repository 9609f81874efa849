// A block's shared memory and what its checks know of it. Private to the engine.
#pragma once

#include <cstdint>
#include <vector>

namespace danaus::vgpu {

class SharedMemory {
public:
  /// New, for a block: nothing in it is written.
  void reset(uint32_t bytes);
  uint32_t size() const { return uint32_t(content.size()); }
  uint8_t *data() { return content.data(); }
  /// All warps have passed a barrier.
  void nextEpoch() { ++epoch; }

  enum class Conflict { None, Unwritten, Pending, Race };
  static constexpr uint32_t Many = 63; ///< several warps, where one warp's number is told
  /// An access of [offset, offset + bytes) by `warp`; `other` becomes the warp in the way, and `at`
  /// the first place.
  Conflict read(uint32_t offset, uint32_t bytes, uint32_t warp, uint32_t &other, uint32_t &at);
  Conflict write(uint32_t offset, uint32_t bytes, uint32_t warp, uint32_t &other, uint32_t &at);
  /// What an asynchronous copy will write, and what it has written.
  Conflict startCopy(uint32_t offset, uint32_t bytes, uint32_t warp, uint32_t &other, uint32_t &at);
  Conflict finishCopy(uint32_t offset, uint32_t bytes, uint32_t warp, uint32_t &other,
                      uint32_t &at);

private:
  enum State : uint8_t { Unwritten, Written, Pending };
  Conflict explain(uint32_t first, uint32_t last, uint32_t mark, bool isWrite, uint32_t &other,
                   uint32_t &at) const;

  /// Who read or wrote a unit of 2 bytes last, and between which barriers: epoch * 64 + warp.
  std::vector<uint32_t> writers, readers;
  std::vector<uint8_t> states, content;
  uint32_t epoch = 1;
};

} // namespace danaus::vgpu
