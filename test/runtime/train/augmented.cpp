// Training on transformed images: made ahead, the same bits whoever makes them and wherever a run
// was interrupted; and whether a model can take what comes out.
#include "test/runtime/train/TrainerTest.h"

using namespace danaus;
using namespace danaus::test;

namespace {

/// 28 x 28 again, by way of 24 x 24.
fb::ModelT augmented(TinyOptions options = {}) {
  options.mixes = true;
  fb::ModelT model = tinyModel(options);
  fb::DataT &data = *model.data;
  data.resize = 24;
  data.pad = 2;
  data.crop_padding = 3;
  data.flip_probability = 0.5;
  data.resized_crop = std::make_unique<fb::ResizedCropT>();
  data.resized_crop->min_scale = 0.3;
  data.resized_crop->max_scale = 1;
  data.resized_crop->min_ratio = 0.75;
  data.resized_crop->max_ratio = 1.3333;
  data.erase_probability = 0.5;
  data.mixup_alpha = 0.8;
  data.cutmix_alpha = 1;
  return model;
}

using AugmentedTest = TrainerTest;

TEST_F(AugmentedTest, ChangesWhatIsTrainedOn) {
  ASSERT_TRUE(succeeds(train({}, "plain")));
  ASSERT_TRUE(succeeds(trainModel(augmented(), "augmented", RunMode::Fresh, 1)));
  EXPECT_NE(weights("plain"), weights("augmented"));
}

TEST_F(AugmentedTest, ThreadsDoNotChangeAnything) {
  ASSERT_TRUE(succeeds(trainModel(augmented(), "one", RunMode::Fresh, 1)));
  ASSERT_TRUE(succeeds(trainModel(augmented(), "three", RunMode::Fresh, 3)));
  EXPECT_EQ(weights("one"), weights("three"));
  EXPECT_EQ(stepRows("one"), stepRows("three"));
}

class AugmentedResumeTest : public AugmentedTest, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(AugmentedResumeTest, IsBitForBit) {
  fb::ModelT model = augmented({.epochs = 2, .accumulate = GetParam()});
  ASSERT_TRUE(succeeds(trainModel(model, "whole", RunMode::Fresh, 2)));
  for (uint64_t stop : {1, 9, 10, 13}) {
    std::string run = "cut" + std::to_string(stop);
    watcher.stopAt = stop;
    EXPECT_TRUE(failsWith(trainModel(model, run, RunMode::Fresh, 2), ExitCode::Stopped,
                          format("step %d ", int(stop))));
    watcher.stopAt = 0;
    ASSERT_TRUE(succeeds(trainModel(model, run, RunMode::Resume, 2)));
    EXPECT_EQ(weights(run), weights("whole")) << stop;
    EXPECT_EQ(stepRows(run), stepRows("whole")) << stop;
  }
}

INSTANTIATE_TEST_SUITE_P(MicroBatches, AugmentedResumeTest, ::testing::Values(1, 4));

/// With a learning rate of 0 the weights stay: every epoch sees other training images, but the same
/// validation images.
TEST_F(AugmentedTest, EvaluationIsNotAugmented) {
  ASSERT_TRUE(succeeds(trainModel(augmented({.epochs = 2, .lr = 0}), "still", RunMode::Fresh, 2)));
  ASSERT_EQ(watcher.epochs.size(), 2u);
  EXPECT_EQ(*watcher.epochs[0].valLoss, *watcher.epochs[1].valLoss);
  EXPECT_NE(watcher.epochs[0].trainLoss, watcher.epochs[1].trainLoss);
}

TEST_F(AugmentedTest, AnUnreadableImageEndsTheRun) {
  data.images.clear();
  writeText(folder / "bad.png", "no image");
  data.files.assign(data.count(), folder / "bad.png");
  EXPECT_TRUE(failsWith(trainModel(augmented(), "run", RunMode::Fresh, 2), ExitCode::DataInvalid,
                        "bad.png"));
}

/// Second labels and weights are where the step looks for them.
TEST(BatchFeed, WritesMixedLabelsIntoTheExecutor) {
  TempFolder folder;
  std::string path = folder / "model.dnb";
  ASSERT_TRUE(succeeds(writeTinyModel(path, augmented())));
  auto file = ModelFile::open(path);
  ASSERT_TRUE(succeeds(file));
  auto device = builtinDevices().create("cpu", {.threads = 2});
  ASSERT_TRUE(succeeds(device));
  auto executor = Executor::open(*file, **device);
  ASSERT_TRUE(succeeds(executor));
  Dataset data = tinyDataset(93);
  for (ImageUse use : {ImageUse::Training, ImageUse::Evaluation}) {
    auto source = makeBatchSource(file->model(), data, SplitName::Train, tinyBatch, use);
    ASSERT_TRUE(succeeds(source));
    auto feed = BatchFeed::create(**executor, *source);
    ASSERT_TRUE(succeeds(feed));
    (*feed)->startEpoch(0, 0);
    ASSERT_EQ(*(*feed)->next(), tinyBatch);
    std::span<int32_t> first = (*executor)->label(), second = (*executor)->mixLabel();
    bool mixed = use == ImageUse::Training;
    for (size_t row = 0; row < tinyBatch; ++row) {
      EXPECT_EQ(second[row], first[mixed ? tinyBatch - 1 - row : row]);
      EXPECT_EQ((*executor)->mixWeight()[row] == 1, !mixed);
    }
  }
}

TEST_F(AugmentedTest, AModelWithoutMixedLabelsIsRefused) {
  fb::ModelT model = tinyModel();
  model.data->mixup_alpha = 0.8;
  EXPECT_TRUE(failsWith(trainModel(model, "run", RunMode::Fresh, 1), ExitCode::CheckpointInvalid,
                        "compiled without the loss of mixed labels"));
}

/// checkDataFits of a changed table.
class ModelDataTest : public ::testing::Test {
protected:
  Dataset data = tinyDataset(1);
  fb::ModelT table = tinyModel();

  Status check() {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(fb::Model::Pack(builder, &table));
    return checkDataFits(*flatbuffers::GetRoot<fb::Model>(builder.GetBufferPointer()), data);
  }
};

TEST_F(ModelDataTest, SaysBothSidesOfWhatDoesNotFit) {
  EXPECT_TRUE(succeeds(check()));
  table.input_shape = {3, 32, 32};
  EXPECT_TRUE(failsWith(check(), ExitCode::DataInvalid, "3 x 32 x 32 = 3072"));
  EXPECT_TRUE(failsWith(check(), ExitCode::DataInvalid, "1 x 28 x 28 = 784"));
  table.input_shape = {784};
  table.classes = 9;
  EXPECT_TRUE(failsWith(check(), ExitCode::DataInvalid, "has 9 outputs"));
  EXPECT_TRUE(failsWith(check(), ExitCode::DataInvalid, "10 classes"));
}

TEST_F(ModelDataTest, LooksAtWhatTransformsMake) {
  table.input_shape = {3, 32, 32};
  table.data->pad = 2;
  EXPECT_TRUE(failsWith(check(), ExitCode::DataInvalid,
                        "1 x 32 x 32 = 1024 values after resize, pad and channels"));
  table.data->channels = 3;
  EXPECT_TRUE(succeeds(check()));
  table.input_shape = {32, 32, 3};
  EXPECT_TRUE(failsWith(check(), ExitCode::DataInvalid, "takes 32 x 32 x 3 = 3072"));
}

TEST_F(ModelDataTest, FilesHaveTheSizeOfTheModelOrAreResized) {
  data.files = {"a.png"};
  data.shape = {3, 0, 0};
  table.input_shape = {3072};
  EXPECT_TRUE(failsWith(check(), ExitCode::DataInvalid, "write data.resize"));
  table.input_shape = {3, 32, 32};
  EXPECT_TRUE(succeeds(check()));
  table.data->pad = 2;
  EXPECT_TRUE(succeeds(check())); // files of 28 x 28
  table.input_shape = {1, 32, 32};
  EXPECT_TRUE(failsWith(check(), ExitCode::DataInvalid, "3 x 32 x 32"));
  table.data->pad = 0;
  table.data->resize = 24;
  EXPECT_TRUE(failsWith(check(), ExitCode::DataInvalid, "3 x 24 x 24 = 1728"));
}

} // namespace
