// Batches made ahead: the same as those made at once, for any number of threads, and every end.
#include "runtime/data/Prefetch.h"

#include "test/runtime/data/MadeImages.h"
#include "test/runtime/support/ImageFiles.h"
#include "test/runtime/support/TempFolder.h"

#include <numeric>

using namespace danaus;
using namespace danaus::test;

namespace {

constexpr size_t images = 45, batch = 16; // two full batches and one of 13

BatchSource makeSource(const Dataset &dataset) {
  std::vector<uint32_t> rows(dataset.count());
  std::iota(rows.begin(), rows.end(), 0);
  BatchSource::Options options{.batchSize = batch, .seed = 3, .order = RowOrder::Shuffled};
  options.transforms = {.resize = 8,
                        .channels = 3,
                        .cropPadding = 2,
                        .flipProbability = 0.5,
                        .eraseProbability = 0.5,
                        .resizedCrop = ResizedCrop{}};
  options.use = ImageUse::Training;
  options.mix = {0.8, 1.0};
  auto source = BatchSource::create(dataset, std::move(rows), std::move(options));
  EXPECT_TRUE(succeeds(source));
  return *source;
}

struct Copy {
  std::vector<float> input, weights;
  std::vector<int32_t> labels, mixLabels;
  bool operator==(const Copy &) const = default;
};

Copy copyOf(const BatchSpans &spans) {
  return {{spans.input.begin(), spans.input.end()},
          {spans.mixWeights.begin(), spans.mixWeights.end()},
          {spans.labels.begin(), spans.labels.end()},
          {spans.mixLabels.begin(), spans.mixLabels.end()}};
}

/// Made at once, on this thread.
Copy direct(const BatchSource &source, uint64_t epoch, size_t step) {
  Copy copy{std::vector<float>(batch * source.shape().pixels()), std::vector<float>(batch),
            std::vector<int32_t>(batch), std::vector<int32_t>(batch)};
  TransformScratch scratch;
  BatchSpans spans{copy.input, copy.labels, copy.mixLabels, copy.weights};
  EXPECT_TRUE(succeeds(source.fill(source.epochRows(epoch), step, spans, scratch)));
  return copy;
}

std::unique_ptr<Prefetch> start(const BatchSource &source, Prefetch::Options options) {
  auto made = Prefetch::create(source, options);
  EXPECT_TRUE(succeeds(made));
  return std::move(*made);
}

TEST(Prefetch, AnyNumberOfThreadsMakesTheSame) {
  Dataset dataset = makeDataset(images, {1, 12, 9});
  BatchSource source = makeSource(dataset);
  ASSERT_EQ(source.stepsPerEpoch(), 3u);
  for (unsigned workers : {1u, 2u, 7u})
    for (unsigned ahead : {2u, 3u, 5u}) {
      auto prefetch = start(source, {.workers = workers, .ahead = ahead});
      for (uint64_t epoch : {0, 1, 5}) {
        prefetch->startEpoch(epoch, 0);
        for (size_t step = 0; step < 3; ++step) {
          Expected<BatchSpans> next = prefetch->next();
          ASSERT_TRUE(succeeds(next));
          EXPECT_EQ(copyOf(*next), direct(source, epoch, step)) << workers << " " << ahead;
        }
      }
    }
}

TEST(Prefetch, BatchesAreMixedAndPadded) {
  Dataset dataset = makeDataset(images, {1, 12, 9});
  BatchSource source = makeSource(dataset);
  Copy last = direct(source, 0, 2);
  for (size_t row = 0; row < batch; ++row) {
    bool real = row < 13;
    EXPECT_EQ(last.labels[row] >= 0, real);
    EXPECT_EQ(last.mixLabels[row], real ? last.labels[12 - row] : -1);
    EXPECT_EQ(last.weights[row] == 1, !real);
  }
}

TEST(Prefetch, StartsAnywhereAndStartsAgain) {
  Dataset dataset = makeDataset(images, {1, 12, 9});
  BatchSource source = makeSource(dataset);
  auto prefetch = start(source, {.workers = 2, .ahead = 3});
  for (int round = 0; round < 20; ++round) {
    uint64_t epoch = uint64_t(round) % 3;
    size_t step = size_t(round) % 3;
    prefetch->startEpoch(epoch, step);
    Expected<BatchSpans> next = prefetch->next();
    ASSERT_TRUE(succeeds(next));
    EXPECT_EQ(copyOf(*next), direct(source, epoch, step));
  }
}

TEST(Prefetch, AnEpochHasAnEnd) {
  Dataset dataset = makeDataset(images, {1, 12, 9});
  BatchSource source = makeSource(dataset);
  auto prefetch = start(source, {.workers = 2, .ahead = 3});
  prefetch->startEpoch(0, 2);
  ASSERT_TRUE(succeeds(prefetch->next()));
  for (int again = 0; again < 2; ++again)
    EXPECT_TRUE(failsWith(prefetch->next(), ExitCode::Internal, "more batches than it has"));
}

TEST(Prefetch, EndsAtAnyMoment) {
  Dataset dataset = makeDataset(images, {1, 12, 9});
  BatchSource source = makeSource(dataset);
  start(source, {.workers = 2, .ahead = 3}); // before anything began
  for (int taken = 0; taken < 3; ++taken) {
    auto prefetch = start(source, {.workers = 2, .ahead = 2});
    prefetch->startEpoch(0, 0);
    for (int i = 0; i < taken; ++i)
      ASSERT_TRUE(succeeds(prefetch->next()));
  }
}

/// Files of many sizes, three channels.
Dataset writeFiles(const TempFolder &folder) {
  Dataset dataset;
  dataset.name = "files";
  dataset.shape = {3, 0, 0};
  for (uint32_t i = 0; i < images; ++i) {
    dataset.files.push_back(folder / format("%u.png", i));
    dataset.labels.push_back(int32_t(i % 10));
    writeText(dataset.files.back(), encodePng(gradientImage({3, 8 + i % 7, 9 + i % 5}, i)));
  }
  return dataset;
}

TEST(Prefetch, FilesAreDecodedByAnyNumberOfThreads) {
  TempFolder folder;
  Dataset dataset = writeFiles(folder);
  BatchSource source = makeSource(dataset);
  EXPECT_FALSE(source.isCheap());
  for (unsigned workers : {1u, 3u}) {
    auto prefetch = start(source, {.workers = workers});
    prefetch->startEpoch(2, 0);
    for (size_t step = 0; step < 3; ++step) {
      Expected<BatchSpans> next = prefetch->next();
      ASSERT_TRUE(succeeds(next));
      EXPECT_EQ(copyOf(*next), direct(source, 2, step));
    }
  }
}

/// One image of the second batch is no image: the others are whole, the error names it, and what
/// comes after it is not affected.
TEST(Prefetch, ADamagedFileIsAnErrorOfItsBatch) {
  TempFolder folder;
  Dataset dataset = writeFiles(folder);
  BatchSource source = makeSource(dataset);
  std::string bad = dataset.files[source.epochRows(0).rows[batch + 5]];
  writeText(bad, "no image");
  for (unsigned workers : {1u, 3u}) {
    auto prefetch = start(source, {.workers = workers, .ahead = 2});
    prefetch->startEpoch(0, 0);
    EXPECT_TRUE(succeeds(prefetch->next()));
    EXPECT_TRUE(failsWith(prefetch->next(), ExitCode::DataInvalid, bad));
    EXPECT_TRUE(succeeds(prefetch->next()));
    prefetch->startEpoch(0, 2);
    EXPECT_TRUE(succeeds(prefetch->next()));
  }
}

TEST(Prefetch, AFileOfAnotherSizeIsNamed) {
  TempFolder folder;
  Dataset dataset = writeFiles(folder);
  BatchSource::Options options{.batchSize = 2, .fileShape = {3, 8, 9}};
  auto source = BatchSource::create(dataset, {0, 1}, options); // 8 x 9 and 9 x 10
  ASSERT_TRUE(succeeds(source));
  auto prefetch = start(*source, {.workers = 1});
  prefetch->startEpoch(0, 0);
  EXPECT_TRUE(failsWith(prefetch->next(), ExitCode::DataInvalid,
                        "'" + dataset.files[1] +
                            "' is 3 x 9 x 10 (channels x height x width), but 3 x 8 x 9 was "
                            "expected: write data.resize"));
}

} // namespace
