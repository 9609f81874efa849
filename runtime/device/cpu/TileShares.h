// Who runs which tiles of a stage. Each thread has a share of every launch, at each replay the same
// and the same fraction of all launches: what it wrote in one stage it reads and writes again in
// the next, or in the next step, without asking another core's cache. A thread that is done helps
// the others, so that a slow core does not hold them up; tiles are independent, so that the result
// does not depend on who ran which.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace danaus {

/// Tiles [begin, end) of a launch.
struct TileRange {
  uint32_t launch;
  uint64_t begin, end;
};

/// How many tiles of a thread's share are taken; on lines of its own, since its owner takes most.
struct alignas(128) TileCursor {
  std::atomic<uint64_t> taken = 0;
};

/// The shares of all threads in one stage.
class TileShares {
public:
  explicit TileShares(unsigned threads) : shares(threads) {}

  /// Thread t of T gets about tiles n*t/T to n*(t+1)/T; what does not divide goes to another thread
  /// from launch to launch.
  void addLaunch(uint32_t launch, uint64_t tiles);

  /// Takes the next tiles of the thread's own share, neighbours of one launch; false when all are
  /// taken. `hint` is 0 at the first call of a thread for a share.
  bool take(unsigned owner, TileCursor &cursor, size_t &hint, TileRange &range) const {
    return takeUntil(shares[owner].tiles, owner, cursor, hint, range);
  }

  /// The same of another thread's share, as long as more than an eighth of it is left: what is
  /// taken here comes from the owner's cache now, and goes back at the next step.
  bool help(unsigned owner, TileCursor &cursor, size_t &hint, TileRange &range) const {
    return takeUntil(shares[owner].tiles - shares[owner].tiles / 8, owner, cursor, hint, range);
  }

private:
  /// A thread's tiles of a launch, from its tile `begin` on, end where the share has `until` tiles.
  struct Part {
    uint32_t launch;
    uint64_t begin, until;
  };
  struct Share {
    std::vector<Part> parts; ///< none is empty
    uint64_t tiles = 0;
  };
  bool takeUntil(uint64_t end, unsigned owner, TileCursor &cursor, size_t &hint,
                 TileRange &range) const;

  std::vector<Share> shares; ///< [thread]
  uint64_t rotation = 0;
};

} // namespace danaus
