// Shares of threads: every tile is in one, the same fraction of each launch, and others can take
// what its owner has not.
#include "runtime/device/cpu/TileShares.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

using namespace danaus;

namespace {

using Tiles = std::vector<std::pair<uint32_t, uint64_t>>; ///< launch, tile

/// What `taker` takes of a share, the owner all that is left, in this order.
Tiles takeAll(const TileShares &shares, unsigned owner, TileCursor &cursor, unsigned taker) {
  Tiles tiles;
  TileRange range;
  for (size_t hint = 0; taker == owner ? shares.take(owner, cursor, hint, range)
                                       : shares.help(owner, cursor, hint, range);)
    for (uint64_t tile = range.begin; tile < range.end; ++tile)
      tiles.emplace_back(range.launch, tile);
  return tiles;
}

TEST(TileShares, AreTheSameFractionOfEachLaunch) {
  TileShares shares(4);
  shares.addLaunch(7, 8);
  shares.addLaunch(8, 0);
  shares.addLaunch(9, 4);
  for (unsigned thread = 0; thread < 4; ++thread) {
    TileCursor cursor;
    EXPECT_EQ(takeAll(shares, thread, cursor, thread),
              (Tiles{{7, 2 * thread}, {7, 2 * thread + 1}, {9, thread}}));
  }
}

TEST(TileShares, LeftOversGoToOneThreadAfterTheOther) {
  TileShares shares(3);
  for (uint32_t launch = 0; launch < 3; ++launch)
    shares.addLaunch(launch, 1);
  for (unsigned thread = 0; thread < 3; ++thread) {
    TileCursor cursor;
    EXPECT_EQ(takeAll(shares, thread, cursor, thread).size(), 1u) << thread;
  }
}

TEST(TileShares, EveryTileIsInOneShare) {
  for (unsigned threads : {1u, 2u, 3u, 16u, 100u}) {
    TileShares shares(threads);
    const std::vector<uint64_t> counts{1, 5, 2, 136, 0, 3, 17, 1000, 1};
    uint64_t total = 0, most = 0;
    for (uint32_t launch = 0; launch < counts.size(); ++launch) {
      shares.addLaunch(launch, counts[launch]);
      total += counts[launch];
    }
    std::map<std::pair<uint32_t, uint64_t>, int> taken;
    for (unsigned thread = 0; thread < threads; ++thread) {
      TileCursor cursor;
      Tiles own = takeAll(shares, thread, cursor, thread);
      most = std::max<uint64_t>(most, own.size());
      for (auto tile : own) {
        EXPECT_LT(tile.second, counts[tile.first]);
        ++taken[tile];
      }
    }
    EXPECT_EQ(taken.size(), total);
    for (auto [tile, times] : taken)
      EXPECT_EQ(times, 1);
    EXPECT_LE(most, total / threads + counts.size()) << threads; // one more of each at most
  }
}

/// A helper goes on where the owner is, gets tiles of one launch at a time, and leaves an eighth.
TEST(TileShares, OthersTakeWhatTheOwnerHasNot) {
  TileShares shares(1);
  shares.addLaunch(0, 3);
  shares.addLaunch(1, 21);
  TileCursor cursor;
  TileRange range;
  size_t ownHint = 0, helperHint = 0;
  ASSERT_TRUE(shares.take(0, cursor, ownHint, range));
  EXPECT_EQ(range.launch, 0u);
  EXPECT_EQ(range.begin, 0u);
  EXPECT_EQ(range.end, 1u);
  uint64_t seen = 1;
  auto check = [&] {
    uint64_t first = range.launch ? 3 : 0;
    EXPECT_EQ(first + range.begin, seen);
    EXPECT_LE(range.end, range.launch ? 21u : 3u);
    seen += range.end - range.begin;
  };
  while (shares.help(0, cursor, helperHint, range))
    check();
  EXPECT_EQ(seen, 21u);
  while (shares.take(0, cursor, ownHint, range))
    check();
  EXPECT_EQ(seen, 24u);
  EXPECT_FALSE(shares.help(0, cursor, helperHint, range));
}

/// Of few and long tiles a helper takes the last one too.
TEST(TileShares, OthersTakeTheLastOfFew) {
  TileShares shares(1);
  shares.addLaunch(0, 2);
  TileCursor cursor;
  TileRange range;
  size_t ownHint = 0, helperHint = 0;
  ASSERT_TRUE(shares.take(0, cursor, ownHint, range));
  ASSERT_TRUE(shares.help(0, cursor, helperHint, range));
  EXPECT_EQ(range.begin, 1u);
  EXPECT_FALSE(shares.take(0, cursor, ownHint, range));
}

TEST(TileShares, ManyThreadsTakeEachTileOnce) {
  constexpr unsigned Threads = 4;
  constexpr uint64_t Count = 50'000;
  TileShares shares(Threads);
  shares.addLaunch(0, Count);
  shares.addLaunch(1, Count);
  std::vector<TileCursor> cursors(Threads);
  std::vector<std::atomic<int>> taken(2 * Count);
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < Threads; ++thread)
    threads.emplace_back([&, thread] {
      for (unsigned i = 0; i < Threads; ++i) {
        unsigned owner = (thread + i) % Threads;
        for (auto [launch, tile] : takeAll(shares, owner, cursors[owner], thread))
          ++taken[launch * Count + tile];
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const std::atomic<int> &times : taken)
    ASSERT_EQ(times, 1);
}

} // namespace
