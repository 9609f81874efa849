// How the lanes of a warp access memory together, and what that costs. Loops repeat an access with
// other addresses and the same distances between lanes: its shape is worked out once and recognised
// by comparison. Private to the engine.
#pragma once

#include "runtime/vgpu/Program.h"

#include <array>

namespace danaus::vgpu {

using Addresses = std::array<uint64_t, Lanes>;

struct AccessShape {
  // What it was made from.
  uint32_t mask = 0, bytes = 0;
  uint32_t phase = 0;     ///< of the first address in what 32 banks hold
  Addresses away;         ///< distances of the lanes' addresses from lane 0's
  unsigned together = 32; ///< lanes that share wavefronts: 8 for the matrices of ldmatrix

  // What follows. Distances are from lane 0's address.
  uint64_t least = 0, span = 0; ///< all bytes lie in [least, least + span)
  bool isAligned = false;       ///< every address is a multiple of `bytes`
  bool isRun = false;           ///< all lanes, side by side
  bool isOne = false;           ///< all lanes at one address
  struct Run {
    uint64_t from;
    uint32_t bytes;
  };
  uint32_t runCount = 0;
  std::array<Run, Lanes> runs; ///< the bytes that are accessed, ascending, with gaps between
  uint32_t sectors = 0, idealSectors = 0;
  uint32_t waves = 0, idealWaves = 0;

  bool isOf(uint32_t lanes, const Addresses &at, uint32_t size) const;
  void make(uint32_t lanes, const Addresses &at, uint32_t size, unsigned lanesTogether);
};

} // namespace danaus::vgpu
