// See Transform.h. Bytes until the conversion: pad, channels, random_crop and horizontal_flip are
// one copy.
#include "runtime/data/Transform.h"

#include "runtime/data/RandomStream.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace danaus {

namespace {

constexpr int tries = 10;

std::string text(const ImageShape &shape) {
  return format("%u x %u x %u", shape.channels, shape.height, shape.width);
}

/// To the nearest, halves to even, as Python's round.
uint32_t rounded(double value) { return uint32_t(std::nearbyint(value)); }

/// A box of about this area and ratio of width to height.
PixelBox sized(double area, double ratio) {
  PixelBox box;
  box.width = rounded(std::sqrt(area * ratio));
  box.height = rounded(std::sqrt(area / ratio));
  return box;
}

void placeAtRandom(PixelBox &box, const ImageShape &image, RandomStream &numbers) {
  box.top = numbers.below(image.height - box.height + 1);
  box.left = numbers.below(image.width - box.width + 1);
}

/// The size of an image whose shorter side becomes `side`, and the middle of it.
struct MiddleCut {
  uint32_t height, width;
  PixelBox box;
  MiddleCut(const ImageShape &image, uint32_t side) : height(side), width(side) {
    if (image.width <= image.height)
      height = uint32_t(uint64_t(side) * image.height / image.width);
    else
      width = uint32_t(uint64_t(side) * image.width / image.height);
    box = {rounded((height - side) / 2.0), rounded((width - side) / 2.0), side, side};
  }
};

/// A row of `width` bytes of which the source begins at `shift`; zeros where it does not reach.
void copyShifted(const uint8_t *source, size_t sourceWidth, int64_t shift, uint8_t *into,
                 size_t width) {
  int64_t begin = std::clamp<int64_t>(shift, 0, int64_t(width));
  int64_t end = std::clamp<int64_t>(shift + int64_t(sourceWidth), begin, int64_t(width));
  std::memset(into, 0, size_t(begin));
  if (end > begin)
    std::memcpy(into + begin, source + (begin - shift), size_t(end - begin));
  std::memset(into + end, 0, width - size_t(end));
}

} // namespace

ImageShape outputShape(const ImageShape &images, const TransformOptions &options) {
  ImageShape shape = images;
  if (options.resize)
    shape.height = shape.width = options.resize;
  if (shape.height && shape.width) {
    shape.height += 2 * options.pad;
    shape.width += 2 * options.pad;
  }
  if (options.channels)
    shape.channels = options.channels;
  return shape;
}

PixelBox drawResizedCrop(const ImageShape &image, const ResizedCrop &crop, RandomStream &numbers) {
  double area = double(image.height) * image.width;
  for (int attempt = 0; attempt < tries; ++attempt) {
    double share = numbers.between(crop.minScale, crop.maxScale);
    double ratio = std::exp(numbers.between(std::log(crop.minRatio), std::log(crop.maxRatio)));
    PixelBox box = sized(area * share, ratio);
    if (box.width == 0 || box.width > image.width || box.height == 0 || box.height > image.height)
      continue;
    placeAtRandom(box, image, numbers);
    return box;
  }
  PixelBox box{0, 0, image.height, image.width};
  double ratio = double(image.width) / image.height;
  if (ratio < crop.minRatio)
    box.height = std::clamp(rounded(image.width / crop.minRatio), 1u, image.height);
  else if (ratio > crop.maxRatio)
    box.width = std::clamp(rounded(image.height * crop.maxRatio), 1u, image.width);
  box.top = (image.height - box.height) / 2;
  box.left = (image.width - box.width) / 2;
  return box;
}

PixelBox drawErasedBox(const ImageShape &image, RandomStream &numbers) {
  constexpr double minScale = 0.02, maxScale = 0.33, minRatio = 0.3, maxRatio = 3.3;
  double area = double(image.height) * image.width;
  for (int attempt = 0; attempt < tries; ++attempt) {
    double share = numbers.between(minScale, maxScale);
    double heightByWidth = std::exp(numbers.between(std::log(minRatio), std::log(maxRatio)));
    PixelBox box = sized(area * share, 1 / heightByWidth);
    if (box.width == 0 || box.width >= image.width || box.height == 0 || box.height >= image.height)
      continue;
    placeAtRandom(box, image, numbers);
    return box;
  }
  return {};
}

ImagePipeline::ImagePipeline(const ImageShape &images, TransformOptions given, ImageUse use,
                             uint64_t seed, PixelConverter converter)
    : images(images), output(outputShape(images, given)), options(std::move(given)), seed(seed),
      convert(std::move(converter)) {
  if (use == ImageUse::Evaluation) {
    options.resizedCrop.reset();
    options.cropPadding = 0;
    options.flipProbability = options.eraseProbability = 0;
  }
  resizes = options.resize && (options.resizedCrop || images.height != options.resize ||
                               images.width != options.resize);
  places = options.pad || options.cropPadding || options.flipProbability > 0 ||
           output.channels != images.channels;
  erases = options.eraseProbability > 0;
}

Expected<ImagePipeline> ImagePipeline::create(const ImageShape &images, TransformOptions options,
                                              ImageUse use, uint64_t seed) {
  auto invalid = [](std::string what) { return Error(ExitCode::DataInvalid, std::move(what)); };
  if (options.channels && images.channels != 1 && images.channels != options.channels)
    return invalid(format("data.channels = %u: only grey images can be repeated, but these have "
                          "%u channels",
                          options.channels, images.channels));
  if (options.resizedCrop && !options.resize)
    return invalid("random_resized_crop needs the size of its result: write data.resize");
  ImageShape shape = outputShape(images, options);
  if (shape.pixels() == 0)
    return invalid("the images differ in size: write data.resize");
  if (options.cropPadding >= std::min(shape.height, shape.width))
    return invalid(format("random_crop: a padding of %u can push an image of %u x %u pixels out of "
                          "sight: write less",
                          options.cropPadding, shape.height, shape.width));
  Expected<PixelConverter> converter = PixelConverter::create(shape, options.normalization);
  if (!converter)
    return converter.takeError();
  return ImagePipeline(images, std::move(options), use, seed, std::move(*converter));
}

ImageView ImagePipeline::resized(const ImageView &image, uint64_t epoch, uint64_t index,
                                 TransformScratch &scratch) const {
  uint32_t side = options.resize;
  ImageShape shape{image.shape.channels, side, side};
  if (!options.resizedCrop && image.shape == shape)
    return image;
  scratch.resized.resize(shape.pixels());
  if (options.resizedCrop) {
    RandomStream numbers(seed, uint32_t(index), uint32_t(epoch), RandomUse::ResizedCrop);
    PixelBox box = drawResizedCrop(image.shape, *options.resizedCrop, numbers);
    scratch.resizer.resize(image.cut(box), side, side, {0, 0, side, side}, scratch.resized.data());
  } else {
    MiddleCut cut(image.shape, side);
    scratch.resizer.resize(image, cut.height, cut.width, cut.box, scratch.resized.data());
  }
  return ImageView::of(scratch.resized.data(), shape);
}

const uint8_t *ImagePipeline::placed(const ImageView &image, uint64_t epoch, uint64_t index,
                                     TransformScratch &scratch) const {
  int64_t top = options.pad, left = options.pad;
  if (uint32_t padding = options.cropPadding) {
    RandomStream numbers(seed, uint32_t(index), uint32_t(epoch), RandomUse::Crop);
    top += int64_t(padding) - numbers.below(2 * padding + 1);
    left += int64_t(padding) - numbers.below(2 * padding + 1);
  }
  RandomStream numbers(seed, uint32_t(index), uint32_t(epoch), RandomUse::Flip);
  bool flips = options.flipProbability > 0 && numbers.unit() < options.flipProbability;
  scratch.placed.resize(output.pixels());
  uint8_t *into = scratch.placed.data();
  for (uint32_t channel = 0; channel < image.shape.channels; ++channel)
    for (int64_t y = 0; y < output.height; ++y, into += output.width) {
      int64_t row = y - top;
      if (row < 0 || row >= image.shape.height) {
        std::memset(into, 0, output.width);
        continue;
      }
      copyShifted(image.pixels + channel * image.planeStride + size_t(row) * image.rowStride,
                  image.shape.width, left, into, output.width);
      if (flips)
        std::reverse(into, into + output.width);
    }
  size_t plane = size_t(output.height) * output.width;
  for (uint32_t channel = image.shape.channels; channel < output.channels; ++channel, into += plane)
    std::memcpy(into, scratch.placed.data(), plane);
  return scratch.placed.data();
}

void ImagePipeline::erase(uint64_t epoch, uint64_t index, float *pixels) const {
  RandomStream numbers(seed, uint32_t(index), uint32_t(epoch), RandomUse::Erase);
  if (!(numbers.unit() < options.eraseProbability))
    return;
  PixelBox box = drawErasedBox(output, numbers);
  size_t plane = size_t(output.height) * output.width;
  for (uint32_t channel = 0; channel < output.channels; ++channel)
    for (uint32_t y = box.top; y < box.top + box.height; ++y)
      std::fill_n(pixels + channel * plane + size_t(y) * output.width + box.left, box.width, 0.0f);
}

Status ImagePipeline::run(const ImageView &image, uint64_t epoch, uint64_t index, float *into,
                          TransformScratch &scratch) const {
  const ImageShape &shape = image.shape;
  bool anySize = images.height == 0;
  if (shape.channels != images.channels || shape.pixels() == 0 || (!anySize && shape != images))
    return Error(ExitCode::DataInvalid,
                 "is " + text(shape) + " (channels x height x width), but " +
                     (anySize ? format("the others have %u channels", images.channels)
                              : text(images) + " was expected: write data.resize"));
  ImageView view = resizes ? resized(image, epoch, index, scratch) : image;
  const uint8_t *pixels = places ? placed(view, epoch, index, scratch) : view.pixels;
  convert.convert(pixels, into);
  if (erases)
    erase(epoch, index, into);
  return Status::ok();
}

} // namespace danaus
