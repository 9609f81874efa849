// Times of launches: of the measured steps, not of the warm-up.
#include "runtime/measure/Measure.h"
#include "test/runtime/support/TempFolder.h"
#include "test/runtime/support/TinyModel.h"

using namespace danaus;
using namespace danaus::test;

namespace {

/// A clock that goes on by one with each reading.
struct Readings : ThreadCounters {
  uint64_t readings = 0;
  Counts read(unsigned) override {
    Counts counts = {};
    counts[0] = ++readings;
    return counts;
  }
};

class MeasureTest : public ::testing::Test {
protected:
  /// The tiny model, ready to be measured.
  void prepare() {
    std::string path = folder / "tiny.dnb";
    ASSERT_TRUE(writeTinyModel(path, tinyModel()));
    auto opened = ModelFile::open(path);
    auto made = builtinDevices().create("cpu", {.threads = 1});
    ASSERT_TRUE(opened && made);
    file = std::make_unique<ModelFile>(std::move(*opened));
    device = std::move(*made);
    auto loaded = Executor::open(*file, *device);
    ASSERT_TRUE(loaded);
    executor = std::move(*loaded);
    ASSERT_TRUE(prepareMeasurement(*executor, Measured::Update));
  }

  TempFolder folder;
  Dataset data = tinyDataset(93, 0);
  std::unique_ptr<ModelFile> file;
  std::unique_ptr<Device> device;
  std::unique_ptr<Executor> executor;
};

TEST_F(MeasureTest, LaunchesAreTimedInTheStepsAfterTheWarmUp) {
  prepare();
  ASSERT_TRUE(executor);
  Readings readings;
  auto times = measureLaunches(*executor, Measured::Update,
                               {.warmups = 2, .repeats = 5, .counters = &readings});
  ASSERT_TRUE(times) << times.error().message();
  EXPECT_EQ(times->steps, 5u);
  EXPECT_GT(times->milliseconds, 0);
  EXPECT_EQ(times->launches.size(), executor->launches(fb::ProgramKind::TrainStep).size());
  for (const LaunchTime &launch : times->launches) {
    EXPECT_GE(launch.total, launch.milliseconds); // the median is one of the five
    EXPECT_EQ(launch.counts[0], 5u);              // a reading after each launch, of five steps
  }
}

/// 77 of the 93 images train: nine full batches and one of 5, then the same again.
TEST_F(MeasureTest, InputIsEveryBatchOfAnEpochAgainAndAgain) {
  prepare();
  ASSERT_TRUE(executor);
  uint64_t batch = executor->batch(fb::ProgramKind::TrainStep);
  auto input = MeasuredInput::open(*executor, data, batch, ImageUse::Training);
  ASSERT_TRUE(input) << input.error().message();
  for (int epoch = 0; epoch < 3; ++epoch) {
    long rows = 0;
    for (int step = 0; step < 10; ++step) {
      ASSERT_TRUE(succeeds((*input)->next()));
      rows += std::ranges::count_if(executor->label(), [](int32_t label) { return label >= 0; });
    }
    EXPECT_EQ(rows, 77) << epoch;
  }
  auto times = measureLaunches(*executor, Measured::Update,
                               {.warmups = 0, .repeats = 3, .input = input->get()});
  ASSERT_TRUE(times) << times.error().message();
  EXPECT_GT(times->waits.input, 0);
  EXPECT_EQ(times->waits.communication, 0) << "one rank";
  times = measureLaunches(*executor, Measured::Update, {.warmups = 0, .repeats = 3});
  ASSERT_TRUE(times);
  EXPECT_EQ(times->waits.input, 0) << "the batch stays";
}

} // namespace
