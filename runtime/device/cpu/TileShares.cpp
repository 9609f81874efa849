// See TileShares.h.
#include "runtime/device/cpu/TileShares.h"

#include <algorithm>

namespace danaus {

void TileShares::addLaunch(uint32_t launch, uint64_t tiles) {
  uint64_t threads = shares.size(), whole = tiles / threads, rest = tiles % threads;
  uint64_t begin = 0;
  for (uint64_t thread = 0; thread < threads; ++thread) {
    // The sum over threads is `rest`; 64 bits hold it: both factors are below the threads.
    uint64_t extra =
        (rest * (thread + 1) + rotation) / threads - (rest * thread + rotation) / threads;
    uint64_t end = begin + whole + extra;
    Share &share = shares[thread];
    if (end > begin) {
      share.tiles += end - begin;
      share.parts.push_back({launch, begin, share.tiles});
    }
    begin = end;
  }
  rotation = (rotation + rest) % threads;
}

/// The next tiles of the share's first `end`.
bool TileShares::takeUntil(uint64_t end, unsigned owner, TileCursor &cursor, size_t &hint,
                           TileRange &range) const {
  const Share &share = shares[owner];
  uint64_t first = cursor.taken.load(std::memory_order_relaxed);
  while (first < end) {
    while (share.parts[hint].until <= first)
      ++hint;
    const Part &part = share.parts[hint];
    // Neighbours share operands; what is taken at once shrinks, so that helpers find something.
    uint64_t left = std::min(part.until, end) - first, count = std::max<uint64_t>(1, left / 4);
    if (!cursor.taken.compare_exchange_weak(first, first + count, std::memory_order_relaxed))
      continue;
    uint64_t partBegin = hint ? share.parts[hint - 1].until : 0;
    range = {part.launch, part.begin + (first - partBegin), 0};
    range.end = range.begin + count;
    return true;
  }
  return false;
}

} // namespace danaus
