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

  enum class Conflict { None, Unwritten, Pending, Race };
  /// An access by `warp` between the barriers `epoch` and the next; `other` becomes the warp in the way.
  Conflict read(uint32_t offset, uint32_t bytes, uint16_t warp, uint32_t &other);
  Conflict write(uint32_t offset, uint32_t bytes, uint16_t warp, uint32_t &other);
  /// Bytes that an asynchronous copy will write, and that it has written.
  Conflict startCopy(uint32_t offset, uint32_t bytes, uint16_t warp, uint32_t &other);
  Conflict finishCopy(uint32_t offset, uint32_t bytes, uint16_t warp, uint32_t &other);

  uint32_t epoch = 1; ///< barriers passed, of the block

private:
  static constexpr uint16_t Nobody = 0xFFFF, Many = 0xFFFE;
  enum State : uint8_t { Unwritten, Written, Pending };
  struct Unit { ///< of 2 bytes
    uint32_t writeEpoch = 0, readEpoch = 0;
    uint16_t writer = Nobody, reader = Nobody;
    State state = Unwritten;
  };
  Conflict check(Unit &unit, uint16_t warp, bool isWrite, uint32_t &other);

  std::vector<uint8_t> content;
  std::vector<Unit> units;
};

} // namespace danaus::vgpu
