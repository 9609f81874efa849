// JPEG and PNG of every kind to RGB, and the message for each that cannot be decoded.
#include "runtime/data/formats/DecodeImage.h"
#include "test/runtime/support/Damage.h"
#include "test/runtime/support/ImageFiles.h"
#include "test/runtime/support/TempFolder.h"

#include <cstdlib>

using namespace danaus;
using namespace danaus::test;

namespace {

Expected<Image> decode(const std::string &bytes) { return decodeImage(bytes, "some/image"); }

::testing::AssertionResult decodeFails(const std::string &bytes, const std::string &part) {
  return failsWith(decode(bytes), ExitCode::DataInvalid, "'some/image' " + part);
}

/// The decoded colours of pixel 0 of a 1 x N image.
std::vector<int> colours(const std::string &bytes, size_t pixel = 0) {
  Expected<Image> image = decode(bytes);
  EXPECT_TRUE(succeeds(image));
  if (!image || image->shape.channels != 3)
    return {};
  size_t plane = image->pixels.size() / 3;
  return {image->pixels[pixel], image->pixels[plane + pixel], image->pixels[2 * plane + pixel]};
}

Image repeated(const Image &grey) {
  Image image{{3, grey.shape.height, grey.shape.width}, {}};
  for (int channel = 0; channel < 3; ++channel)
    image.pixels.insert(image.pixels.end(), grey.pixels.begin(), grey.pixels.end());
  return image;
}

int largestDifference(const Image &a, const Image &b) {
  int largest = a.shape == b.shape ? 0 : 256;
  for (size_t index = 0; index < a.pixels.size() && largest < 256; ++index)
    largest = std::max(largest, std::abs(int(a.pixels[index]) - int(b.pixels[index])));
  return largest;
}

TEST(Png, RgbAndGreyAreExact) {
  Image colour = gradientImage({3, 5, 9}), grey = gradientImage({1, 5, 9});
  Expected<Image> decoded = decode(encodePng(colour));
  ASSERT_TRUE(succeeds(decoded));
  EXPECT_EQ(decoded->shape, colour.shape);
  EXPECT_EQ(decoded->pixels, colour.pixels);
  decoded = decode(encodePng(grey));
  ASSERT_TRUE(succeeds(decoded));
  EXPECT_EQ(decoded->shape, colour.shape);
  EXPECT_EQ(decoded->pixels, repeated(grey).pixels);
}

TEST(Png, InterlacedIsTheSame) {
  std::vector<uint16_t> samples;
  for (uint16_t index = 0; index < 3 * 11 * 13; ++index)
    samples.push_back(uint16_t(index * 5 % 256));
  Expected<Image> plain = decode(encodePng(samples, 11, 13, {}));
  Expected<Image> interlaced =
      decode(encodePng(samples, 11, 13, {2, 8, PngLayout::Interlaced, {}}));
  ASSERT_TRUE(succeeds(plain));
  ASSERT_TRUE(succeeds(interlaced));
  EXPECT_EQ(plain->pixels, interlaced->pixels);
}

TEST(Png, EveryDepth) {
  for (int bits : {1, 2, 4}) {
    uint16_t most = uint16_t((1 << bits) - 1);
    std::string bytes = encodePng({0, most, 1}, 1, 3, {0, bits, {}, {}});
    int step = 255 / most;
    EXPECT_EQ(colours(bytes, 0), (std::vector<int>{0, 0, 0})) << bits;
    EXPECT_EQ(colours(bytes, 1), (std::vector<int>{255, 255, 255})) << bits;
    EXPECT_EQ(colours(bytes, 2), (std::vector<int>{step, step, step})) << bits;
  }
  EXPECT_EQ(colours(encodePng({0x12ff, 0x34ff, 0xff00}, 1, 1, {2, 16, {}, {}})),
            (std::vector<int>{0x12, 0x34, 0xff}));
  EXPECT_EQ(colours(encodePng({0x12ff}, 1, 1, {0, 16, {}, {}})),
            (std::vector<int>{0x12, 0x12, 0x12}));
}

TEST(Png, Palettes) {
  std::vector<uint8_t> palette{1, 2, 3, 40, 50, 60, 7, 8, 9, 255, 254, 253};
  for (int bits : {2, 4, 8})
    EXPECT_EQ(colours(encodePng({0, 3, 1}, 1, 3, {3, bits, {}, palette}), 1),
              (std::vector<int>{255, 254, 253}))
        << bits;
}

TEST(Png, AlphaIsDropped) {
  EXPECT_EQ(colours(encodePng({10, 20, 30, 0}, 1, 1, {6, 8, {}, {}})),
            (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(colours(encodePng({77, 128}, 1, 1, {4, 8, {}, {}})), (std::vector<int>{77, 77, 77}));
}

TEST(Jpeg, ColourAndGreyAreClose) {
  for (uint32_t channels : {1u, 3u}) {
    Image image = gradientImage({channels, 30, 20});
    Expected<Image> decoded = decode(encodeJpeg(image));
    ASSERT_TRUE(succeeds(decoded));
    EXPECT_LE(largestDifference(*decoded, channels == 1 ? repeated(image) : image), 12);
  }
}

TEST(Jpeg, ProgressiveIsTheSame) {
  std::vector<uint8_t> samples;
  for (size_t index = 0; index < 3 * 30 * 20; ++index)
    samples.push_back(uint8_t(index / 20));
  Expected<Image> plain = decode(encodeJpeg(samples, 30, 20));
  Expected<Image> progressive = decode(encodeJpeg(samples, 30, 20, {JpegColours::Rgb, 95, true}));
  ASSERT_TRUE(succeeds(plain));
  ASSERT_TRUE(succeeds(progressive));
  EXPECT_EQ(plain->pixels, progressive->pixels);
}

TEST(Jpeg, InksAreInverted) {
  std::vector<uint8_t> samples;
  for (int pixel = 0; pixel < 64; ++pixel)
    samples.insert(samples.end(), {200, 100, 50, 128});
  std::vector<int> seen = colours(encodeJpeg(samples, 8, 8, {JpegColours::Cmyk, 100, false}));
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_NEAR(seen[0], 200 * 128 / 255, 2);
  EXPECT_NEAR(seen[1], 100 * 128 / 255, 2);
  EXPECT_NEAR(seen[2], 50 * 128 / 255, 2);
}

TEST(Decode, IsWhatItsBytesSay) {
  TempFolder folder;
  writeText(folder / "n02105855_2933.JPEG", encodePng(gradientImage({3, 4, 4})));
  EXPECT_TRUE(succeeds(readImageFile(folder / "n02105855_2933.JPEG")));
}

TEST(Decode, GreyIsLuma) {
  Image rgb{{3, 1, 5}, {255, 0, 0, 255, 9, 0, 255, 0, 255, 9, 0, 0, 255, 255, 9}};
  Image grey = toGrey(rgb);
  EXPECT_EQ(grey.shape, (ImageShape{1, 1, 5}));
  // Of PIL: Image.convert("L").
  EXPECT_EQ(grey.pixels, (std::vector<uint8_t>{76, 150, 29, 255, 9}));
}

TEST(Decode, Extensions) {
  for (const char *name : {"a.jpg", "a.JPEG", "b.c.png", "x.Jpg"})
    EXPECT_TRUE(hasImageExtension(name)) << name;
  for (const char *name : {"a.gif", ".png", "png", "a.png~", ""})
    EXPECT_FALSE(hasImageExtension(name)) << name;
}

TEST(Decode, OtherFiles) {
  EXPECT_TRUE(decodeFails("", "is empty"));
  EXPECT_TRUE(decodeFails("hello", "is neither a JPEG nor a PNG image"));
  EXPECT_TRUE(decodeFails("GIF89a....", "is neither a JPEG nor a PNG image but a GIF image"));
  EXPECT_TRUE(decodeFails("<html>", "is neither a JPEG nor a PNG image but a web page"));
  TempFolder folder;
  EXPECT_TRUE(failsWith(readImageFile(folder / "absent.png"), ExitCode::IoError, "absent.png"));
}

TEST(Decode, CutShort) {
  std::string png = encodePng(gradientImage({3, 30, 30}));
  std::string jpeg = encodeJpeg(gradientImage({3, 30, 30}));
  EXPECT_TRUE(decodeFails(png.substr(0, png.size() / 2), "is damaged: it ends before the image"));
  EXPECT_TRUE(decodeFails(png.substr(0, png.size() - 12), "is damaged: it ends before the image"));
  EXPECT_TRUE(decodeFails(png.substr(0, 20), "is damaged: it ends before the image"));
  EXPECT_TRUE(decodeFails(jpeg.substr(0, jpeg.size() - 30), "is damaged: "));
  EXPECT_TRUE(decodeFails(jpeg.substr(0, 4), "is damaged: "));
}

TEST(Decode, FlippedBits) {
  std::string png = encodePng(gradientImage({3, 30, 30}));
  png[png.size() / 2] ^= 1;
  EXPECT_TRUE(decodeFails(png, "is damaged: "));
}

TEST(Decode, HugeImagesAreRefusedBeforeTheyAreAllocated) {
  std::string jpeg = encodeJpeg(gradientImage({3, 30, 30}));
  size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xf0\x00\xf0\x00", 4);
  EXPECT_TRUE(decodeFails(jpeg, "has 61440 x 61440 pixels, more than the 268435456 that"));
  std::string png = encodePng(gradientImage({3, 30, 30}));
  // Width and height of IHDR, and its checksum.
  png.replace(16, 8, std::string("\x00\x10\x00\x00\x00\x10\x00\x00", 8));
  png.replace(29, 4, "\xc4\x4a\x37\x92", 4);
  EXPECT_TRUE(decodeFails(png, "has 1048576 x 1048576 pixels, more than"));
}

TEST(Decode, JpegsOfEndlessScansAreRefused) {
  std::vector<uint8_t> samples(3 * 16 * 16, 100);
  std::string jpeg = encodeJpeg(samples, 16, 16, {JpegColours::Rgb, 90, true});
  size_t lastScan = jpeg.rfind("\xff\xda");
  ASSERT_NE(lastScan, std::string::npos);
  std::string scan = jpeg.substr(lastScan, jpeg.size() - 2 - lastScan), bomb = jpeg;
  for (int repeat = 0; repeat < 600; ++repeat)
    bomb.insert(lastScan, scan);
  EXPECT_TRUE(succeeds(decode(jpeg)));
  EXPECT_TRUE(decodeFails(bomb, "is damaged: it has more than 500 scans"));
}

TEST(Decode, JpegsWithLostPixelsAreRefusedButOdditiesAreNot) {
  std::string jpeg = encodeJpeg(gradientImage({3, 64, 64}));
  // Between the last entropy-coded byte and the end mark: nothing is lost.
  std::string odd = jpeg;
  odd.insert(odd.size() - 2, 5, '\x55');
  EXPECT_TRUE(succeeds(decode(odd)));
  std::string lost = jpeg;
  lost.erase(lost.size() / 2 + 200, lost.size() / 4);
  EXPECT_TRUE(decodeFails(lost, "is damaged: "));
}

TEST(Decode, DamagedFilesAreDecodedOrRefused) {
  Image image = gradientImage({3, 17, 19});
  std::vector<uint8_t> inks(4 * 16 * 16, 90), colours(3 * 16 * 16, 55);
  for (const std::string &good :
       {encodePng(image), encodeJpeg(image), encodeJpeg(colours, 16, 16, {{}, 80, true}),
        encodeJpeg(inks, 16, 16, {JpegColours::Cmyk, 90, false}),
        encodePng({0, 1, 2, 3}, 2, 2, {3, 2, PngLayout::Interlaced, {1, 2, 3, 4, 5, 6, 7, 8, 9}})})
    forEachDamage(good, 300, [&](const std::string &bad) {
      Expected<Image> decoded = decode(bad);
      if (decoded)
        EXPECT_EQ(decoded->pixels.size(), decoded->shape.pixels());
      else
        EXPECT_EQ(decoded.error().code(), ExitCode::DataInvalid);
    });
}

} // namespace
