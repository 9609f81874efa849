// The pipeline of one image: each transform alone, what is random, and what it refuses.
#include "runtime/data/Transform.h"

#include "runtime/base/Checksum.h"
#include "runtime/data/RandomStream.h"
#include "test/runtime/data/MadeImages.h"
#include "test/runtime/support/TempFolder.h"

#include <algorithm>
#include <cmath>
#include <set>

using namespace danaus;
using namespace danaus::test;

namespace {

ImagePipeline make(const ImageShape &images, TransformOptions options,
                   ImageUse use = ImageUse::Training, uint64_t seed = 1) {
  auto pipeline = ImagePipeline::create(images, std::move(options), use, seed);
  EXPECT_TRUE(succeeds(pipeline));
  return *pipeline;
}

std::vector<float> run(const ImagePipeline &pipeline, const Image &image, uint64_t epoch = 0,
                       uint64_t index = 0) {
  std::vector<float> row(pipeline.shape().pixels(), -7);
  TransformScratch scratch;
  EXPECT_TRUE(succeeds(pipeline.run(viewOf(image), epoch, index, row.data(), scratch)));
  return row;
}

/// The pixels again: only without normalization.
std::vector<uint8_t> bytes(const std::vector<float> &row) {
  std::vector<uint8_t> result;
  for (float value : row)
    result.push_back(uint8_t(std::lround(value * 255)));
  return result;
}

TEST(Transform, NothingIsTheConversion) {
  Image image = makeImage({3, 5, 4});
  ImagePipeline pipeline = make(image.shape, {});
  EXPECT_TRUE(pipeline.isPlain());
  std::vector<float> row = run(pipeline, image);
  for (size_t i = 0; i < row.size(); ++i)
    EXPECT_EQ(row[i], float(image.pixels[i]) / 255.0f);
}

struct MiddleCase {
  ImageShape shape;
  uint32_t side, checksum;
};

/// As torchvision's Resize(side) and CenterCrop(side) on Pillow's images.
TEST(Transform, ResizeKeepsTheMiddle) {
  for (const MiddleCase &each : {MiddleCase{{3, 375, 500}, 224, 0x78a2b1a2},
                                 {{3, 500, 333}, 224, 0xc7469d85},
                                 {{1, 45, 30}, 7, 0x14fe8c76}})
    for (ImageUse use : {ImageUse::Training, ImageUse::Evaluation}) {
      ImagePipeline pipeline = make({each.shape.channels, 0, 0}, {.resize = each.side}, use);
      EXPECT_EQ(pipeline.shape(), (ImageShape{each.shape.channels, each.side, each.side}));
      std::vector<uint8_t> pixels = bytes(run(pipeline, makeImage(each.shape)));
      EXPECT_EQ(crc32(pixels.data(), pixels.size()), each.checksum);
    }
}

TEST(Transform, PadAndChannels) {
  Image image{{1, 2, 2}, {1, 2, 3, 4}};
  ImagePipeline pipeline = make(image.shape, {.pad = 1, .channels = 3}, ImageUse::Evaluation);
  ASSERT_EQ(pipeline.shape(), (ImageShape{3, 4, 4}));
  std::vector<uint8_t> plane = {0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0}, all;
  for (int channel = 0; channel < 3; ++channel)
    all.insert(all.end(), plane.begin(), plane.end());
  EXPECT_EQ(bytes(run(pipeline, image)), all);
}

/// The border of a normalized image is that of a black pixel.
TEST(Transform, PaddingIsNormalized) {
  Image image{{1, 1, 1}, {255}};
  ImagePipeline pipeline = make(image.shape, {.pad = 1, .normalization = {{0.5f}, {0.25f}}});
  std::vector<float> row = run(pipeline, image);
  EXPECT_EQ(row[0], -2.0f);
  EXPECT_EQ(row[4], 2.0f);
}

TEST(Transform, RandomCropShiftsEveryWay) {
  Image image = makeImage({2, 6, 5});
  ImagePipeline pipeline = make(image.shape, {.cropPadding = 2});
  std::set<std::pair<int, int>> shifts;
  for (uint64_t index = 0; index < 500; ++index) {
    std::vector<uint8_t> pixels = bytes(run(pipeline, image, 0, index));
    int found = 0;
    for (int down = -2; down <= 2; ++down)
      for (int right = -2; right <= 2; ++right) {
        bool same = true;
        for (int c = 0; c < 2; ++c)
          for (int y = 0; y < 6; ++y)
            for (int x = 0; x < 5; ++x) {
              int fromY = y - down, fromX = x - right;
              bool inside = fromY >= 0 && fromY < 6 && fromX >= 0 && fromX < 5;
              int wanted = inside ? image.pixels[size_t((c * 6 + fromY) * 5 + fromX)] : 0;
              same &= pixels[size_t((c * 6 + y) * 5 + x)] == wanted;
            }
        if (same)
          ++found, shifts.insert({down, right});
      }
    ASSERT_EQ(found, 1);
  }
  EXPECT_EQ(shifts.size(), 25u);
}

TEST(Transform, FlipMirrorsHalfOfTheImages) {
  Image image = makeImage({3, 4, 5});
  Image mirrored = image;
  for (size_t row = 0; row < 12; ++row)
    std::reverse(mirrored.pixels.begin() + row * 5, mirrored.pixels.begin() + row * 5 + 5);
  ImagePipeline pipeline = make(image.shape, {.flipProbability = 0.5});
  int flips = 0;
  for (uint64_t index = 0; index < 2000; ++index) {
    std::vector<uint8_t> pixels = bytes(run(pipeline, image, 3, index));
    ASSERT_TRUE(pixels == image.pixels || pixels == mirrored.pixels);
    flips += pixels == mirrored.pixels;
  }
  EXPECT_NEAR(flips, 1000, 90); // four deviations
  EXPECT_EQ(bytes(run(make(image.shape, {.flipProbability = 1}), image)), mirrored.pixels);
}

TEST(Transform, ResizedCropStaysInItsRanges) {
  ImageShape image{3, 375, 500};
  ResizedCrop crop{0.08, 1, 0.75, 4.0 / 3};
  double shares = 0;
  for (uint32_t index = 0; index < 2000; ++index) {
    RandomStream numbers(7, index, 0, RandomUse::ResizedCrop);
    PixelBox box = drawResizedCrop(image, crop, numbers);
    ASSERT_GE(box.height, 1u);
    ASSERT_LE(box.top + box.height, image.height);
    ASSERT_LE(box.left + box.width, image.width);
    double share = double(box.height) * box.width / (375.0 * 500);
    ASSERT_GE(share, 0.079);
    double ratio = double(box.width) / box.height;
    ASSERT_TRUE(ratio > 0.74 && ratio < 1.35) << ratio;
    shares += share;
  }
  // Uniform in [0.08, 1], but the largest often do not fit and are drawn again: torchvision's mean.
  EXPECT_NEAR(shares / 2000, 0.4339, 0.02);
}

/// A ratio that no part of the image can have at this scale: the largest middle part that has an
/// allowed ratio, as torchvision.
TEST(Transform, ResizedCropFallsBackToTheMiddle) {
  ResizedCrop crop{1, 1, 0.75, 1.25};
  RandomStream numbers(7, 0, 0, RandomUse::ResizedCrop);
  EXPECT_EQ(drawResizedCrop({1, 10, 100}, crop, numbers), (PixelBox{0, 44, 10, 12}));
  EXPECT_EQ(drawResizedCrop({1, 100, 9}, crop, numbers), (PixelBox{44, 0, 12, 9}));
  EXPECT_EQ(drawResizedCrop({1, 10, 10}, {1, 1, 0.99, 0.995}, numbers), (PixelBox{0, 0, 10, 10}));
}

TEST(Transform, ResizedCropIsThePartResized) {
  Image image = makeImage({3, 30, 40});
  ImagePipeline pipeline = make({3, 0, 0}, {.resize = 16, .resizedCrop = ResizedCrop{}});
  RandomStream numbers(1, 5, 2, RandomUse::ResizedCrop);
  PixelBox box = drawResizedCrop(image.shape, {}, numbers);
  std::vector<uint8_t> wanted(3 * 16 * 16);
  Resizer().resize(viewOf(image).cut(box), 16, 16, {0, 0, 16, 16}, wanted.data());
  EXPECT_EQ(bytes(run(pipeline, image, 2, 5)), wanted);
}

TEST(Transform, ErasingSetsARectangleToZero) {
  Image image{{2, 20, 30}, std::vector<uint8_t>(1200, 255)};
  TransformOptions options{.eraseProbability = 0.25, .normalization = {{0.5f, 0.5f}, {1, 1}}};
  ImagePipeline pipeline = make(image.shape, options);
  int erased = 0;
  for (uint64_t index = 0; index < 1000; ++index) {
    std::vector<float> row = run(pipeline, image, 0, index);
    auto zeros = size_t(std::count(row.begin(), row.end(), 0.0f));
    ASSERT_EQ(zeros + size_t(std::count(row.begin(), row.end(), 0.5f)), row.size());
    if (!zeros)
      continue;
    ++erased;
    ASSERT_EQ(std::vector<float>(row.begin(), row.begin() + 600),
              std::vector<float>(row.begin() + 600, row.end()));
    double share = double(zeros) / 1200;
    ASSERT_TRUE(share > 0.01 && share < 0.36) << share;
  }
  EXPECT_NEAR(erased, 250, 60);
}

TEST(Transform, ErasedBoxesKeepTheirRanges) {
  for (uint32_t index = 0; index < 1000; ++index) {
    RandomStream numbers(7, index, 0, RandomUse::Erase);
    PixelBox box = drawErasedBox({3, 224, 200}, numbers);
    ASSERT_GT(box.height, 0u);
    ASSERT_LE(box.top + box.height, 224u);
    ASSERT_LE(box.left + box.width, 200u);
    double ratio = double(box.height) / box.width;
    ASSERT_TRUE(ratio > 0.28 && ratio < 3.5) << ratio;
  }
  RandomStream numbers(7, 0, 0, RandomUse::Erase);
  EXPECT_EQ(drawErasedBox({1, 1, 1}, numbers), PixelBox{}); // nothing smaller fits
}

TransformOptions everything() {
  return {.resize = 12,
          .pad = 1,
          .channels = 3,
          .cropPadding = 3,
          .flipProbability = 0.5,
          .eraseProbability = 0.5,
          .resizedCrop = ResizedCrop{},
          .normalization = {{0.1f, 0.2f, 0.3f}, {1, 2, 3}}};
}

TEST(Transform, EvaluationHasNothingRandom) {
  Image image = makeImage({1, 20, 30});
  TransformOptions fixed{.resize = 12, .pad = 1, .channels = 3};
  fixed.normalization = everything().normalization;
  std::vector<float> wanted = run(make({1, 0, 0}, fixed), image);
  for (uint64_t index = 0; index < 20; ++index)
    EXPECT_EQ(run(make({1, 0, 0}, everything(), ImageUse::Evaluation), image, index, index),
              wanted);
}

TEST(Transform, DependsOnSeedEpochAndIndexOnly) {
  Image image = makeImage({1, 20, 30}), other = makeImage({1, 50, 20});
  ImagePipeline pipeline = make({1, 0, 0}, everything());
  std::vector<float> wanted = run(pipeline, image, 4, 9), row(wanted.size());
  TransformScratch used;
  ASSERT_TRUE(succeeds(pipeline.run(viewOf(other), 1, 2, row.data(), used)));
  ASSERT_TRUE(succeeds(pipeline.run(viewOf(image), 4, 9, row.data(), used)));
  EXPECT_EQ(row, wanted);
  EXPECT_NE(run(pipeline, image, 5, 9), wanted);
  EXPECT_NE(run(pipeline, image, 4, 10), wanted);
  EXPECT_NE(run(make({1, 0, 0}, everything(), ImageUse::Training, 2), image, 4, 9), wanted);
}

/// A change here breaks the resuming of old runs.
TEST(Transform, KeepsItsNumbers) {
  RandomStream crop(1, 2, 3, RandomUse::ResizedCrop);
  EXPECT_EQ(drawResizedCrop({3, 100, 100}, {}, crop), (PixelBox{1, 1, 97, 91}));
  RandomStream erase(1, 2, 3, RandomUse::Erase);
  EXPECT_EQ(drawErasedBox({3, 100, 100}, erase), (PixelBox{6, 2, 28, 88}));
}

TEST(Transform, OneMoreTransformDoesNotChangeTheOthers) {
  Image image = makeImage({1, 8, 8});
  ImagePipeline flips = make(image.shape, {.flipProbability = 0.5});
  ImagePipeline more = make(image.shape, {.flipProbability = 0.5, .eraseProbability = 0.01});
  for (uint64_t index = 0; index < 50; ++index) {
    std::vector<float> a = run(flips, image, 0, index), b = run(more, image, 0, index);
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_TRUE(a[i] == b[i] || b[i] == 0);
  }
}

TEST(Transform, RefusesWhatDoesNotFit) {
  auto create = [](const ImageShape &images, TransformOptions options) {
    return ImagePipeline::create(images, std::move(options), ImageUse::Training, 0);
  };
  EXPECT_TRUE(failsWith(create({2, 4, 4}, {.channels = 3}), ExitCode::DataInvalid,
                        "only grey images can be repeated, but these have 2 channels"));
  EXPECT_TRUE(failsWith(create({1, 4, 4}, {.resizedCrop = ResizedCrop{}}), ExitCode::DataInvalid,
                        "random_resized_crop needs the size of its result: write data.resize"));
  EXPECT_TRUE(failsWith(create({3, 0, 0}, {}), ExitCode::DataInvalid,
                        "the images differ in size: write data.resize"));
  EXPECT_TRUE(failsWith(create({1, 4, 4}, {.cropPadding = 4}), ExitCode::DataInvalid,
                        "a padding of 4 can push an image of 4 x 4 pixels out of sight"));
  EXPECT_TRUE(failsWith(create({1, 4, 4}, {.channels = 3, .normalization = {{0.5f}, {0.5f}}}),
                        ExitCode::DataInvalid, "1 means and 1 deviations; the images have 3"));
}

TEST(Transform, RefusesImagesOfAnotherShape) {
  Image image = makeImage({3, 10, 12});
  TransformScratch scratch;
  std::vector<float> row(3 * 12 * 12);
  auto run = [&](const ImagePipeline &pipeline) {
    return pipeline.run(viewOf(image), 0, 0, row.data(), scratch);
  };
  EXPECT_TRUE(failsWith(run(make({3, 12, 12}, {})), ExitCode::DataInvalid,
                        "is 3 x 10 x 12 (channels x height x width), but 3 x 12 x 12 was expected: "
                        "write data.resize"));
  EXPECT_TRUE(failsWith(run(make({1, 0, 0}, {.resize = 4})), ExitCode::DataInvalid,
                        "but the others have 1 channels"));
}

} // namespace
