// Orders, splits and batches: determined by the seed, complete, exact.
#include "runtime/data/Batch.h"
#include "runtime/base/Philox.h"

#include "test/runtime/data/MadeImages.h"
#include "test/runtime/support/TempFolder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace danaus;
using namespace danaus::test;

namespace {

std::vector<uint32_t> upTo(uint32_t count) {
  std::vector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

/// A batch in memory.
struct Filled {
  std::vector<float> input;
  std::vector<int32_t> labels;
  explicit Filled(const BatchSource &source)
      : input(source.batchSize() * source.shape().pixels(), 5), labels(source.batchSize(), 5) {}
  BatchSpans spans() { return {input, labels}; }
};

/// Batch `step` of epoch 0.
Filled fill(const BatchSource &source, size_t step) {
  Filled filled(source);
  TransformScratch scratch;
  EXPECT_TRUE(succeeds(source.fill(source.epochRows(0), step, filled.spans(), scratch)));
  return filled;
}

TEST(Philox, KnownAnswersOfRandom123) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Permutation, IsOneAndDependsOnSeedAndStreamOnly) {
  for (uint32_t count : {0u, 1u, 2u, 3u, 100u, 4097u}) {
    std::vector<uint32_t> order = randomPermutation(count, 5, 3);
    EXPECT_EQ(order, randomPermutation(count, 5, 3));
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, upTo(count));
  }
  EXPECT_NE(randomPermutation(100, 5, 3), randomPermutation(100, 5, 4));
  EXPECT_NE(randomPermutation(100, 5, 3), randomPermutation(100, 6, 3));
  EXPECT_NE(randomPermutation(100, 5, 3), randomPermutation(100, 5 + (uint64_t(1) << 32), 3));
}

TEST(Permutation, KeepsItsNumbers) {
  // A change here breaks the resuming of old runs.
  EXPECT_EQ(randomPermutation(8, 0, 0), (std::vector<uint32_t>{1, 3, 0, 2, 7, 5, 6, 4}));
}

TEST(Permutation, EveryOrderOfFourIsEquallyLikely) {
  std::vector<int> seen(256);
  for (uint64_t seed = 0; seed < 24000; ++seed) {
    std::vector<uint32_t> order = randomPermutation(4, seed, 0);
    ++seen[order[0] * 64 + order[1] * 16 + order[2] * 4 + order[3]];
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 0), 256 - 24);
  for (int count : seen)
    EXPECT_TRUE(count == 0 || (count > 850 && count < 1150)) << count;
}

TEST(Split, FileOrderTakesTheLast) {
  Expected<Split> split = splitTrainingSet(10, 3, 7, RowOrder::File);
  ASSERT_TRUE(succeeds(split));
  EXPECT_EQ(split->train, upTo(7));
  EXPECT_EQ(split->validation, (std::vector<uint32_t>{7, 8, 9}));
}

TEST(Split, ShuffledIsDisjointCompleteAndSeeded) {
  Expected<Split> split = splitTrainingSet(1000, 100, 7, RowOrder::Shuffled);
  ASSERT_TRUE(succeeds(split));
  EXPECT_EQ(split->validation.size(), 100u);
  std::vector<uint32_t> all = split->train;
  all.insert(all.end(), split->validation.begin(), split->validation.end());
  EXPECT_FALSE(std::is_sorted(all.begin(), all.end()));
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, upTo(1000));
  EXPECT_EQ(split->validation, splitTrainingSet(1000, 100, 7, RowOrder::Shuffled)->validation);
  EXPECT_NE(split->validation, splitTrainingSet(1000, 100, 8, RowOrder::Shuffled)->validation);
}

TEST(Split, LeavesSomethingToTrainOn) {
  EXPECT_TRUE(failsWith(splitTrainingSet(10, 10, 7, RowOrder::File), ExitCode::DataInvalid,
                        "takes 10 images, but the training set has 10"));
  EXPECT_TRUE(succeeds(splitTrainingSet(10, 0, 7, RowOrder::Shuffled)));
}

TEST(Batch, EveryPixelValueIsTheTrueDivision) {
  Dataset dataset = makeDataset(1, {1, 16, 16});
  std::iota(dataset.images.begin(), dataset.images.end(), 0);
  Expected<BatchSource> source = BatchSource::create(dataset, {0}, {.batchSize = 1});
  ASSERT_TRUE(succeeds(source));
  ASSERT_EQ(source->validRows(0), 1u);
  std::vector<float> input = fill(*source, 0).input;
  for (int value = 0; value < 256; ++value)
    EXPECT_EQ(input[value], float(value) / 255.0f) << value;
}

TEST(Batch, NormalizesPerChannel) {
  Dataset dataset = makeDataset(2, {3, 5, 7});
  Normalization normalization{{0.5f, 0.25f, 0.1f}, {0.2f, 0.3f, 0.7f}};
  Expected<BatchSource> source = BatchSource::create(
      dataset, {1}, {.batchSize = 1, .transforms = {.normalization = normalization}});
  ASSERT_TRUE(succeeds(source));
  std::vector<float> input = fill(*source, 0).input;
  for (size_t pixel = 0; pixel < 105; ++pixel) {
    float unit = float(dataset.row(1)[pixel]) / 255.0f;
    float expected = (unit - normalization.mean[pixel / 35]) / normalization.deviation[pixel / 35];
    EXPECT_EQ(input[pixel], expected) << pixel;
  }
}

TEST(Batch, RefusesBadNormalization) {
  Dataset dataset = makeDataset(1, {3, 2, 2});
  auto create = [&](Normalization normalization) {
    return BatchSource::create(dataset, {0},
                               {.batchSize = 1, .transforms = {.normalization = normalization}});
  };
  EXPECT_TRUE(failsWith(create({{0.5f}, {0.5f}}), ExitCode::DataInvalid, "3 channels"));
  EXPECT_TRUE(failsWith(create({{0, 0, 0}, {1, 0, 1}}), ExitCode::DataInvalid, "channel 1"));
  EXPECT_TRUE(failsWith(create({{NAN, 0, 0}, {1, 1, 1}}), ExitCode::DataInvalid, "channel 0"));
}

/// The rule of docs/Augmentation.md.
TEST(Batch, IsCheapWhereImagesAreSmallInMemoryAndOnlyConverted) {
  auto cheap = [](const ImageShape &shape, TransformOptions transforms, MixOptions mix = {}) {
    Dataset dataset = makeDataset(1, shape);
    auto source = BatchSource::create(dataset, {0},
                                      {.batchSize = 1,
                                       .transforms = std::move(transforms),
                                       .use = ImageUse::Training,
                                       .mix = mix});
    EXPECT_TRUE(succeeds(source));
    return source->isCheap();
  };
  EXPECT_TRUE(cheap({1, 28, 28}, {}));
  EXPECT_TRUE(cheap({3, 32, 32}, {.normalization = {{0, 0, 0}, {1, 1, 1}}}));
  EXPECT_TRUE(cheap({1, 128, 128}, {.resize = 128}));
  EXPECT_FALSE(cheap({1, 129, 128}, {}));
  EXPECT_FALSE(cheap({1, 28, 28}, {.pad = 2}));
  EXPECT_FALSE(cheap({1, 28, 28}, {.channels = 3}));
  EXPECT_FALSE(cheap({1, 28, 28}, {.flipProbability = 0.5}));
  EXPECT_FALSE(cheap({1, 28, 28}, {.eraseProbability = 0.5}));
  EXPECT_FALSE(cheap({1, 28, 28}, {}, {.mixupAlpha = 1}));
}

TEST(Batch, RefusesRowsThatDoNotExist) {
  Dataset dataset = makeDataset(3, {1, 2, 2});
  EXPECT_TRUE(failsWith(BatchSource::create(dataset, {0, 3}, {.batchSize = 1}),
                        ExitCode::DataInvalid, "row 3 of made does not exist"));
  EXPECT_TRUE(
      failsWith(BatchSource::create(dataset, {0}, {}), ExitCode::DataInvalid, "at least one row"));
}

TEST(Batch, LastBatchIsPadded) {
  Dataset dataset = makeDataset(7, {1, 3, 3});
  Expected<BatchSource> source = BatchSource::create(dataset, upTo(7), {.batchSize = 4});
  ASSERT_TRUE(succeeds(source));
  EXPECT_EQ(source->stepsPerEpoch(), 2u);
  EXPECT_EQ(source->validRows(1), 3u);
  auto [input, labels] = fill(*source, 1);
  EXPECT_EQ(labels, (std::vector<int32_t>{4, 5, 6, -1}));
  for (size_t pixel = 0; pixel < 36; ++pixel)
    EXPECT_EQ(input[pixel], pixel < 27 ? float(dataset.row(4)[pixel]) / 255.0f : 0) << pixel;
}

TEST(Batch, EpochsVisitEveryRowOnceInNewOrders) {
  Dataset dataset = makeDataset(50, {1, 1, 1});
  BatchSource::Options options{.batchSize = 8, .seed = 3, .order = RowOrder::Shuffled};
  for (size_t index = 0; index < 50; ++index)
    dataset.labels[index] = int32_t(index);
  Expected<BatchSource> source = BatchSource::create(dataset, upTo(50), options);
  ASSERT_TRUE(succeeds(source));
  std::vector<std::vector<int32_t>> epochs;
  for (uint64_t epoch : {0, 1, 0}) {
    std::vector<int32_t> seen;
    Filled filled(*source);
    TransformScratch scratch;
    for (size_t step = 0; step < source->stepsPerEpoch(); ++step) {
      ASSERT_TRUE(succeeds(source->fill(source->epochRows(epoch), step, filled.spans(), scratch)));
      seen.insert(seen.end(), filled.labels.begin(),
                  filled.labels.begin() + std::ptrdiff_t(source->validRows(step)));
    }
    epochs.push_back(seen);
    std::sort(seen.begin(), seen.end());
    EXPECT_TRUE(std::equal(seen.begin(), seen.end(), dataset.labels.begin()));
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_EQ(epochs[0], epochs[2]);
}

TEST(Batch, SharedByRangesIsTheSame) {
  Dataset dataset = makeDataset(13, {1, 4, 5});
  BatchSource::Options options{.batchSize = 8, .seed = 3, .order = RowOrder::Shuffled};
  Expected<BatchSource> source = BatchSource::create(dataset, upTo(13), options);
  ASSERT_TRUE(succeeds(source));
  for (size_t step : {0, 1}) {
    Filled whole = fill(*source, step), parts(*source);
    TransformScratch scratch;
    for (auto [begin, end] : {std::pair{3, 8}, std::pair{0, 3}})
      ASSERT_TRUE(succeeds(source->fillRows(source->epochRows(0), step, size_t(begin), size_t(end),
                                            parts.spans(), scratch)));
    EXPECT_EQ(whole.input, parts.input);
    EXPECT_EQ(whole.labels, parts.labels);
  }
}

} // namespace
