// Resizing, against numbers computed by Pillow 13.0: Image.resize with BILINEAR on each channel,
// first to the new width, then to the new height.
#include "runtime/data/Resize.h"

#include "runtime/base/Checksum.h"
#include "test/runtime/data/MadeImages.h"

#include <gtest/gtest.h>

using namespace danaus;
using namespace danaus::test;

namespace {

std::vector<uint8_t> resized(const ImageView &view, uint32_t height, uint32_t width,
                             std::optional<PixelBox> box = {}) {
  PixelBox part = box.value_or(PixelBox{0, 0, height, width});
  std::vector<uint8_t> result(size_t(view.shape.channels) * part.height * part.width);
  Resizer().resize(view, height, width, part, result.data());
  return result;
}

TEST(Resize, SmallImagesAreThoseOfPillow) {
  Image image = makeImage({1, 5, 7});
  EXPECT_EQ(resized(viewOf(image), 3, 4),
            (std::vector<uint8_t>{10, 23, 41, 57, 33, 53, 80, 103, 56, 84, 119, 150}));
  EXPECT_EQ(resized(viewOf(image), 8, 3),
            (std::vector<uint8_t>{6,  22, 41,  13, 32, 54,  23, 45,  72,  32, 59,  89,
                                  42, 73, 107, 52, 87, 125, 61, 100, 143, 68, 110, 155}));
}

struct LargeCase {
  ImageShape shape;
  uint32_t height, width, checksum;
};

/// The checksum is zlib.crc32 of the bytes, channel by channel.
TEST(Resize, LargeImagesAreThoseOfPillow) {
  for (const LargeCase &each : {LargeCase{{3, 375, 500}, 224, 224, 0x6a33ed5b},
                                {{3, 32, 32}, 224, 224, 0xac45adcd},
                                {{3, 224, 224}, 32, 32, 0x44d88ec4},
                                {{1, 1, 1}, 5, 5, 0xe9cf0e8f},
                                {{1, 28, 28}, 20, 20, 0x42921f83},
                                {{3, 100, 33}, 33, 100, 0xca2f229d},
                                {{1, 1000, 3}, 1, 17, 0xb0e8786d},
                                {{3, 64, 64}, 64, 31, 0xb62bbf1c}}) {
    Image image = makeImage(each.shape);
    std::vector<uint8_t> result = resized(viewOf(image), each.height, each.width);
    EXPECT_EQ(crc32(result.data(), result.size()), each.checksum)
        << each.shape.height << " x " << each.shape.width;
  }
}

TEST(Resize, APartOfAnImageEndsAtItsBorder) {
  Image image = makeImage({3, 40, 60});
  std::vector<uint8_t> result = resized(viewOf(image).cut({7, 11, 23, 37}), 16, 16);
  EXPECT_EQ(crc32(result.data(), result.size()), 0x3a89a792u);
}

TEST(Resize, APartOfTheResultIsThatPart) {
  Image image = makeImage({2, 50, 41});
  std::vector<uint8_t> whole = resized(viewOf(image), 30, 70);
  PixelBox box{5, 17, 21, 33};
  std::vector<uint8_t> part = resized(viewOf(image), 30, 70, box);
  for (uint32_t channel = 0; channel < 2; ++channel)
    for (uint32_t y = 0; y < box.height; ++y)
      for (uint32_t x = 0; x < box.width; ++x)
        ASSERT_EQ(part[(channel * box.height + y) * box.width + x],
                  whole[(channel * 30 + box.top + y) * 70 + box.left + x]);
}

TEST(Resize, TheSameSizeIsTheSameImage) {
  Image image = makeImage({3, 19, 23});
  EXPECT_EQ(resized(viewOf(image), 19, 23), image.pixels);
}

TEST(Resize, OneResizerForManySizes) {
  Resizer resizer;
  for (uint32_t side : {9u, 30u, 9u, 100u}) {
    Image image = makeImage({3, side, side + 3});
    std::vector<uint8_t> result(3 * 16 * 16);
    resizer.resize(viewOf(image), 16, 16, {0, 0, 16, 16}, result.data());
    EXPECT_EQ(result, resized(viewOf(image), 16, 16)) << side;
  }
}

} // namespace
