// Predictions: from files to rows, softmax, batches, names of classes, and each error.
#include "runtime/step/Predict.h"
#include "runtime/data/formats/DecodeImage.h"
#include "runtime/step/ModelData.h"
#include "test/runtime/support/ImageFiles.h"
#include "test/runtime/support/TempFolder.h"
#include "test/runtime/support/TinyModel.h"

#include <cmath>
#include <limits>

using namespace danaus;
using namespace danaus::test;

namespace {

struct PredictTest : ::testing::Test {
  TempFolder folder;
  fb::ModelT table = tinyModel();
  flatbuffers::FlatBufferBuilder builder;

  const fb::Model &model() {
    builder.Clear();
    fb::FinishModelBuffer(builder, fb::Model::Pack(builder, &table));
    return *fb::GetModel(builder.GetBufferPointer());
  }
  std::string image(const std::string &name, ImageShape shape, uint32_t seed = 0) {
    writeText(folder / name, encodePng(gradientImage(shape, seed)));
    return folder / name;
  }
};

TEST(Softmax, IsStableAndSumsToOne) {
  std::vector<double> values = softmax(std::vector<float>{1000, 1001, -1000});
  EXPECT_NEAR(values[0], 1 / (1 + std::exp(1.0)), 1e-15);
  EXPECT_NEAR(values[1], 1 / (1 + std::exp(-1.0)), 1e-15);
  EXPECT_EQ(values[2], 0);
}

TEST(Largest, EqualsKeepTheirOrder) {
  EXPECT_EQ(largest({1, 3, 2, 3, 0}, 3), (std::vector<size_t>{1, 3, 2}));
  EXPECT_EQ(largest({1, 2}, 9), (std::vector<size_t>{1, 0}));
}

TEST_F(PredictTest, ColoursTurnGreyForAGreyModel) {
  Expected<ImageInput> input = ImageInput::create(model());
  ASSERT_TRUE(succeeds(input));
  ASSERT_EQ(input->size(), 784u);
  for (uint32_t channels : {1u, 3u}) {
    std::string path = image("image.png", {channels, 28, 28});
    std::vector<float> row(784);
    ASSERT_TRUE(succeeds(input->read(path, row.data())));
    Image grey = toGrey(*readImageFile(path));
    for (size_t pixel = 0; pixel < 784; ++pixel)
      ASSERT_EQ(row[pixel], float(grey.pixels[pixel]) / 255.0f);
  }
}

TEST_F(PredictTest, GreyIsRepeatedForAModelOfColoursAndNormalized) {
  table.data->name = "cifar10";
  table.data->normalize_mean = {0.5f, 0.25f, 0.125f};
  table.data->normalize_std = {0.5f, 0.5f, 0.25f};
  table.input_shape = {3, 32, 32};
  Expected<ImageInput> input = ImageInput::create(model());
  ASSERT_TRUE(succeeds(input));
  Image grey = gradientImage({1, 32, 32});
  std::vector<float> row(3072);
  ASSERT_TRUE(succeeds(input->read(image("grey.png", {1, 32, 32}), row.data())));
  for (size_t channel = 0; channel < 3; ++channel)
    EXPECT_EQ(row[channel * 1024 + 100],
              (float(grey.pixels[100]) / 255.0f - table.data->normalize_mean[channel]) /
                  table.data->normalize_std[channel]);
}

TEST_F(PredictTest, PreparedAsForEvaluation) {
  table.data->name = "image_folder";
  table.data->resize = 20;
  table.data->pad = 1;
  table.data->flip_probability = 1;
  table.data->crop_padding = 2;
  table.data->erase_probability = 1;
  table.input_shape = {3, 22, 22};
  Expected<ImageInput> input = ImageInput::create(model());
  ASSERT_TRUE(succeeds(input));
  std::string path = image("wide.png", {3, 24, 40});
  std::vector<float> row(input->size()), again(input->size());
  ASSERT_EQ(row.size(), 3u * 22 * 22);
  ASSERT_TRUE(succeeds(input->read(path, row.data())));
  ASSERT_TRUE(succeeds(input->read(path, again.data())));
  EXPECT_EQ(row, again);
  EXPECT_EQ(row[0], 0) << "the border";
  // The middle of the image, at the middle of the row: not mirrored, not erased.
  Image whole = gradientImage({3, 24, 40});
  EXPECT_NEAR(row[11 * 22 + 5] * 255, whole.pixels[12 * 40 + 13], 4);
  // The same numbers as in the batches of an evaluation.
  Dataset dataset;
  dataset.name = "image_folder";
  dataset.shape = {3, 0, 0};
  dataset.files = {path};
  dataset.labels = {0};
  dataset.classes = 1;
  EXPECT_TRUE(succeeds(checkDataFits(model(), dataset)));
  Expected<BatchSource> source =
      makeBatchSource(model(), dataset, SplitName::Test, 1, ImageUse::Evaluation);
  ASSERT_TRUE(succeeds(source));
  std::vector<float> batch(row.size());
  std::vector<int32_t> label(1);
  TransformScratch scratch;
  ASSERT_TRUE(succeeds(source->fill(source->epochRows(0), 0, {batch, label}, scratch)));
  EXPECT_EQ(row, batch);
}

TEST_F(PredictTest, GreyDataRepeatedToColours) {
  table.data->channels = 3;
  table.data->pad = 2;
  table.input_shape = {3, 32, 32};
  Expected<ImageInput> input = ImageInput::create(model());
  ASSERT_TRUE(succeeds(input));
  std::vector<float> row(3072);
  ASSERT_TRUE(succeeds(input->read(image("colour.png", {3, 28, 28}), row.data())));
  for (size_t pixel = 0; pixel < 1024; ++pixel) {
    ASSERT_EQ(row[pixel], row[1024 + pixel]);
    ASSERT_EQ(row[pixel], row[2048 + pixel]);
  }
}

TEST_F(PredictTest, FoldersWithoutResizeTakeTheSizeOfTheInput) {
  table.data->name = "image_folder";
  table.data->pad = 2;
  table.input_shape = {3, 14, 24};
  Expected<ImageInput> input = ImageInput::create(model());
  ASSERT_TRUE(succeeds(input));
  std::vector<float> row(input->size());
  EXPECT_TRUE(succeeds(input->read(image("fits.png", {3, 10, 20}), row.data())));
  EXPECT_TRUE(failsWith(input->read(image("fits_not.png", {3, 14, 24}), row.data()),
                        ExitCode::DataInvalid, "the model takes 20 x 10"));
}

TEST_F(PredictTest, WrongSizesAndModelsThatTakeNoImages) {
  Expected<ImageInput> input = ImageInput::create(model());
  ASSERT_TRUE(succeeds(input));
  std::vector<float> row(784);
  std::string path = image("wide.png", {3, 28, 30});
  EXPECT_TRUE(failsWith(input->read(path, row.data()), ExitCode::DataInvalid,
                        "'" + path +
                            "' has 30 x 28 pixels (width x height); the model takes 28 x "
                            "28: scale it"));
  writeText(folder / "text.png", "hello");
  EXPECT_TRUE(failsWith(input->read(folder / "text.png", row.data()), ExitCode::DataInvalid,
                        "text.png' is neither a JPEG nor a PNG"));
  table.data->name = "npy";
  table.input_shape = {784};
  EXPECT_TRUE(failsWith(ImageInput::create(model()), ExitCode::DataInvalid,
                        "model 'tiny' takes no images that can be read from files"));
}

struct RunPredictTest : PredictTest {
  std::optional<ModelFile> file;
  std::unique_ptr<Device> device;
  std::unique_ptr<Executor> executor;

  void SetUp() override {
    ASSERT_TRUE(succeeds(writeTinyModel(folder / "tiny.dnb", table)));
    Expected<ModelFile> opened = ModelFile::open(folder / "tiny.dnb");
    ASSERT_TRUE(succeeds(opened));
    file.emplace(std::move(*opened));
    auto created = builtinDevices().create("cpu", {.threads = 2});
    ASSERT_TRUE(succeeds(created));
    device = std::move(*created);
    auto open = Executor::open(*file, *device);
    ASSERT_TRUE(succeeds(open));
    executor = std::move(*open);
    std::span<float> weight = executor->parameter(0), bias = executor->parameter(1);
    for (size_t index = 0; index < weight.size(); ++index)
      weight[index] = 0.01f * std::sin(float(index));
    for (size_t index = 0; index < bias.size(); ++index)
      bias[index] = 0.1f * float(index);
  }
  /// The probabilities by hand, in double.
  std::vector<double> expected(const std::string &path) {
    Image grey = toGrey(*readImageFile(path));
    std::vector<double> values(10);
    double sum = 0;
    for (size_t label = 0; label < 10; ++label) {
      for (size_t pixel = 0; pixel < 784; ++pixel)
        values[label] +=
            double(executor->parameter(0)[label * 784 + pixel]) * double(grey.pixels[pixel]) / 255;
      values[label] = std::exp(values[label] + double(executor->parameter(1)[label]));
      sum += values[label];
    }
    for (double &value : values)
      value /= sum;
    return values;
  }
};

TEST_F(RunPredictTest, SeveralBatchesInOrder) {
  std::vector<std::string> paths;
  for (uint32_t number = 0; number < 2 * tinyBatch + 3; ++number)
    paths.push_back(image(std::to_string(number) + ".png", {1, 28, 28}, number));
  auto results = predict(*executor, paths);
  ASSERT_TRUE(succeeds(results));
  ASSERT_EQ(results->size(), paths.size());
  for (size_t number = 0; number < paths.size(); ++number) {
    std::vector<double> want = expected(paths[number]);
    for (size_t label = 0; label < 10; ++label)
      EXPECT_TRUE(std::abs((*results)[number][label] - want[label]) <= 1e-5)
          << number << ' ' << label;
  }
  // Alone in a batch it is the same.
  auto alone = predict(*executor, {paths[12]});
  ASSERT_TRUE(succeeds(alone));
  EXPECT_EQ((*alone)[0], (*results)[12]);
}

TEST_F(RunPredictTest, FirstBadImageIsTheError) {
  std::string good = image("good.png", {1, 28, 28});
  writeText(folder / "bad.png", "x");
  EXPECT_TRUE(failsWith(predict(*executor, {good, folder / "bad.png", folder / "absent.png"}),
                        ExitCode::DataInvalid, "bad.png' is neither"));
  EXPECT_TRUE(failsWith(predict(*executor, {good, folder / "absent.png", folder / "bad.png"}),
                        ExitCode::IoError, "absent.png"));
}

TEST_F(RunPredictTest, OutputsThatAreNotFinite) {
  executor->parameter(1)[3] = std::numeric_limits<float>::quiet_NaN();
  std::string path = image("good.png", {1, 28, 28});
  EXPECT_TRUE(failsWith(predict(*executor, {path}), ExitCode::Diverged,
                        "the outputs for '" + path + "' are not finite"));
}

TEST_F(PredictTest, NamesOfClasses) {
  DataEnvironment nowhere{"", "", folder / "work", folder / "system"};
  EXPECT_EQ(classNamesOf(model(), nowhere)[9], "Ankle boot");
  table.data->name = "image_folder";
  EXPECT_TRUE(classNamesOf(model(), nowhere).empty());
  table.data->dir = folder / "animals";
  writeImageFolder(folder / "animals", 1, 1);
  EXPECT_EQ(classNamesOf(model(), nowhere), (std::vector<std::string>{"ant", "bee", "cat"}));
  table.classes = 2;
  EXPECT_TRUE(classNamesOf(model(), nowhere).empty());
  table.data->name = "npy";
  EXPECT_TRUE(classNamesOf(model(), nowhere).empty());
}

} // namespace
