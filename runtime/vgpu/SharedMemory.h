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
  enum State : uint32_t { Unwritten, Written, Pending };
  /// Who read or wrote a piece last, and between which barriers: epoch * 64 + warp. A write forgets
  /// the readers before it: whoever is in conflict with them is with it.
  struct Touched {
    uint32_t writer, reader;
    State state;
    bool operator==(const Touched &) const = default;
  };
  /// 16 bytes where all of them are alike, which is the rule; else its units of 2 bytes tell.
  struct Cell : Touched {
    bool isSplit;
  };
  static constexpr uint32_t CellBytes = 16, CellUnits = CellBytes / 2;

  enum class Kind { Read, Write, StartCopy, FinishCopy };
  template <Kind kind>
  Conflict touch(uint32_t offset, uint32_t bytes, uint32_t warp, uint32_t &other, uint32_t &at);
  template <Kind kind> Conflict touchOne(Touched &touched, uint32_t mark, uint32_t &other) const;

  std::vector<Cell> cells;
  std::vector<Touched> units;
  std::vector<uint8_t> content;
  uint32_t epoch = 1;
};

} // namespace danaus::vgpu
