// Frames: whole, in pieces, and bytes that are none.
#include "runtime/comm/Frame.h"

#include <gtest/gtest.h>
#include <random>

using namespace danaus;

TEST(FrameTest, ArriveInPieces) {
  std::string key("a\0key", 5), value(1000, 'v');
  std::string bytes =
      encodeFrame({FrameKind::Set, UINT64_MAX - 7, key, value}) + encodeFrame({FrameKind::Bye});
  FrameReader reader;
  std::vector<Frame> frames;
  for (char byte : bytes) {
    reader.add(&byte, 1);
    auto next = reader.next();
    ASSERT_TRUE(bool(next));
    if (*next)
      frames.push_back(**next);
  }
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].kind, FrameKind::Set);
  EXPECT_EQ(frames[0].number, UINT64_MAX - 7);
  EXPECT_EQ(frames[0].key, key);
  EXPECT_EQ(frames[0].value, value);
  EXPECT_EQ(frames[1].kind, FrameKind::Bye);
}

TEST(FrameTest, RefusesWhatIsNone) {
  for (std::string bytes :
       {std::string("\x02\0\0\0??", 6), std::string("\xff\xff\xff\x7f", 4),
        std::string("\x0d\0\0\0\x63", 5) + std::string(12, '\0'),
        std::string("\x0d\0\0\0\x05", 5) + std::string(8, '\0') + std::string("\1\0\0\0", 4)}) {
    FrameReader reader;
    reader.add(bytes.data(), bytes.size());
    EXPECT_FALSE(bool(reader.next())) << testing::PrintToString(bytes);
  }
}

TEST(FrameTest, AnyBytesAreFramesOrAnError) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = encodeFrame({FrameKind::Value, 3, "key", "value"});
    for (unsigned changes = random() % 4; changes > 0; --changes)
      bytes[random() % bytes.size()] = char(random());
    FrameReader reader;
    reader.add(bytes.data(), random() % (bytes.size() + 1));
    auto next = reader.next();
    if (next && *next)
      EXPECT_LE((*next)->key.size() + (*next)->value.size(), bytes.size());
  }
}
