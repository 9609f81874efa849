// How many images one core transforms in a second: the two recipes that users run.
#include "runtime/data/Transform.h"

#include <benchmark/benchmark.h>
#include <cstdlib>

using namespace danaus;

static void transform(benchmark::State &state, const ImageShape &shape, const ImageShape &images,
                      TransformOptions options) {
  auto pipeline = ImagePipeline::create(images, std::move(options), ImageUse::Training, 1);
  if (!pipeline)
    return state.SkipWithError(pipeline.error().message().c_str());
  std::vector<uint8_t> pixels(shape.pixels());
  for (size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = uint8_t(i * 31 + i / 256);
  std::vector<float> row(pipeline->shape().pixels());
  TransformScratch scratch;
  uint64_t index = 0;
  for (auto _ : state)
    if (!pipeline->run(ImageView::of(pixels.data(), shape), 0, index++, row.data(), scratch))
      std::abort();
  state.SetItemsProcessed(int64_t(index));
}

static const Normalization colours{{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};

BENCHMARK_CAPTURE(transform, resized_crop_500x375_to_224, {3, 375, 500}, {3, 0, 0},
                  {.resize = 224,
                   .flipProbability = 0.5,
                   .resizedCrop = ResizedCrop{},
                   .normalization = colours});
BENCHMARK_CAPTURE(transform, middle_500x375_to_224, {3, 375, 500}, {3, 0, 0},
                  {.resize = 224, .normalization = colours});
BENCHMARK_CAPTURE(transform, enlarge_32_to_224, {3, 32, 32}, {3, 32, 32},
                  {.resize = 224, .normalization = colours});
BENCHMARK_CAPTURE(transform, crop_flip_32, {3, 32, 32}, {3, 32, 32},
                  {.cropPadding = 4, .flipProbability = 0.5, .normalization = colours});
BENCHMARK_CAPTURE(transform, nothing_32, {3, 32, 32}, {3, 32, 32}, {.normalization = colours});

BENCHMARK_MAIN();
