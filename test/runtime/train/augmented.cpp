// Training on transformed images: made ahead, the same bits whoever makes them and wherever a run
// was interrupted; and whether a model can take what comes out.
#include "test/runtime/train/TrainerTest.h"

using namespace danaus;
using namespace danaus::test;

namespace {

/// 28 x 28 again, by way of 24 x 24.
fb::ModelT augmented(const TinyOptions &options = {}) {
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

TEST_F(AugmentedTest, ResumesBitForBit) {
  fb::ModelT model = augmented({.epochs = 2});
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
