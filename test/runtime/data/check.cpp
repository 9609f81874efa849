// What `danaus data check` is told: recognition, counts, sizes, damaged files, published sets.
#include "runtime/data/Check.h"
#include "test/runtime/support/CifarFiles.h"
#include "test/runtime/support/IdxFiles.h"
#include "test/runtime/support/ImageFiles.h"
#include "test/runtime/support/NpyFiles.h"

using namespace danaus;
using namespace danaus::test;

namespace {

struct CheckTest : ::testing::Test {
  TempFolder folder;

  std::string made(const std::string &name) {
    EXPECT_TRUE(makeFolders(folder / name));
    return folder / name;
  }
  std::string recognised(const std::string &path) {
    Expected<FoundDataset> found = recogniseDataset(path);
    return found ? found->format->name : found.error().message();
  }
  DatasetCheck check(const std::string &name, unsigned threads = 1) {
    return checkDataset(**findDatasetFormat(name), folder.path(), {.threads = threads});
  }
};

TEST_F(CheckTest, RecognisesEveryFormat) {
  writeMnist(made("a"), 20, 10);
  writeMnist(made("my-fashion"), 20, 10);
  writeCifar10(made("b/cifar-10-batches-bin"), 2, 1);
  writeImageFolder(made("c"), 1, 1);
  writeNpy(made("d"), 5, 5);
  EXPECT_EQ(recognised(folder / "a"), "mnist");
  EXPECT_EQ(recognised(folder / "my-fashion"), "fashion_mnist");
  EXPECT_EQ(recognised(folder / "b"), "cifar10");
  EXPECT_EQ(recogniseDataset(folder / "b")->folder, folder / "b/cifar-10-batches-bin");
  EXPECT_EQ(recognised(folder / "c"), "image_folder");
  EXPECT_EQ(recognised(folder / "d"), "npy");
}

TEST_F(CheckTest, NothingKnown) {
  EXPECT_TRUE(failsWith(recogniseDataset(made("empty")), ExitCode::DataInvalid,
                        "no dataset is recognised in '" + (folder / "empty")));
  EXPECT_TRUE(failsWith(recogniseDataset(folder / "empty"), ExitCode::DataInvalid,
                        "cifar10: data_batch_1.bin"));
  EXPECT_TRUE(failsWith(recogniseDataset(folder / "absent"), ExitCode::DataInvalid,
                        "absent' is no folder: there is nothing"));
}

TEST_F(CheckTest, CountsAndSizesOfFolders) {
  writeImageFolder(folder.path(), 3, 1);
  writeText(folder / "train/bee/wide.png", encodePng(gradientImage({1, 10, 90})));
  DatasetCheck result = check("image_folder");
  EXPECT_TRUE(result.intact());
  EXPECT_EQ(result.classNames[1], "bee");
  ASSERT_EQ(result.portions.size(), 2u);
  const PortionCheck &train = result.portions[0];
  EXPECT_EQ(train.images, 10u);
  EXPECT_EQ(train.perClass, (std::vector<size_t>{3, 4, 3}));
  EXPECT_EQ(train.minHeight, 10u);
  EXPECT_EQ(train.maxHeight, 24u);
  EXPECT_EQ(train.minWidth, 24u);
  EXPECT_EQ(train.maxWidth, 90u);
  EXPECT_EQ(train.channels, 3u);
  EXPECT_EQ(train.published.verdict, Published::Unknown);
  EXPECT_EQ(result.portions[1].images, 3u);
}

TEST_F(CheckTest, ListsDamagedFilesInOrderForAnyNumberOfThreads) {
  writeImageFolder(folder.path(), 8, 1);
  for (const char *name : {"train/cat/1.jpg", "train/ant/0.png", "train/bee/7.jpg"})
    writeText(folder / name, "broken");
  for (unsigned threads : {1u, 5u}) {
    DatasetCheck result = check("image_folder", threads);
    EXPECT_FALSE(result.intact());
    const std::vector<DamagedImage> &damaged = result.portions[0].damaged;
    ASSERT_EQ(damaged.size(), 3u);
    EXPECT_EQ(damaged[0].message,
              "'" + (folder / "train/ant/0.png") + "' is neither a JPEG nor a PNG image");
    EXPECT_EQ(damaged[1].index, 15u);
    EXPECT_EQ(damaged[2].index, 17u);
  }
}

TEST_F(CheckTest, ReportsProgress) {
  writeImageFolder(folder.path(), 2, 1);
  size_t calls = 0, total = 0;
  CheckOptions options{.threads = 1, .progress = [&](size_t, size_t of) { ++calls, total = of; }};
  checkDataset(**findDatasetFormat("image_folder"), folder.path(), options);
  EXPECT_EQ(calls, 9u);
  EXPECT_EQ(total, 3u);
}

TEST_F(CheckTest, APortionThatCannotBeReadDoesNotHideTheOther) {
  writeCifar10(folder.path(), 2, 4);
  ASSERT_TRUE(removeTree(folder / "data_batch_5.bin"));
  DatasetCheck result = check("cifar10");
  EXPECT_FALSE(result.intact());
  EXPECT_NE(result.portions[0].problem.find("data_batch_5.bin' is missing"), std::string::npos);
  EXPECT_EQ(result.portions[1].problem, "");
  EXPECT_EQ(result.portions[1].images, 4u);
}

TEST_F(CheckTest, OtherSetsAreNotThePublishedOnes) {
  writeMnist(folder.path(), 20, 10);
  DatasetCheck result = check("fashion_mnist");
  EXPECT_TRUE(result.intact());
  EXPECT_EQ(result.portions[0].published.verdict, Published::Differs);
  EXPECT_NE(result.portions[0].published.detail.find("other images and labels"), std::string::npos);
  writeCifar10(folder.path(), 2, 4);
  result = check("cifar10");
  EXPECT_EQ(result.portions[1].published.verdict, Published::Differs);
  EXPECT_EQ(result.portions[1].published.detail,
            "not the published set: test_batch.bin has 12292 bytes, not 30730000");
}

TEST_F(CheckTest, CifarOfTheRightSizesAndCountsMatches) {
  writeCifar10(folder.path(), 1, 10000);
  DatasetCheck result = check("cifar10");
  EXPECT_EQ(result.portions[0].published.verdict, Published::Differs);
  EXPECT_EQ(result.portions[1].published.verdict, Published::Matches);
  std::string content = readText(folder / "test_batch.bin");
  content[0] = 1;
  writeText(folder / "test_batch.bin", content);
  EXPECT_EQ(check("cifar10").portions[1].published.detail,
            "not the published set: 999 images of class airplane, not 1000");
}

/// Debian's package, which packages.txt names: compressed anew, the same contents.
TEST_F(CheckTest, TheInstalledFashionMnistIsThePublishedOne) {
  const std::string path = "/usr/share/datasets/fashion-mnist";
  if (!isFolder(path))
    GTEST_SKIP() << "the package dataset-fashion-mnist is not installed";
  EXPECT_EQ(recognised(path), "fashion_mnist");
  DatasetCheck result = checkDataset(**findDatasetFormat("fashion_mnist"), path);
  for (const PortionCheck &portion : result.portions)
    EXPECT_EQ(portion.published.verdict, Published::Matches) << portion.published.detail;
  // Read as MNIST it is another set, and one label more makes it one too.
  result = checkDataset(**findDatasetFormat("mnist"), path);
  EXPECT_EQ(result.portions[1].published.verdict, Published::Differs);
  Expected<Dataset> test = loadDataset("fashion_mnist", path, Portion::Test);
  ASSERT_TRUE(succeeds(test));
  test->images[12345] ^= 1;
  EXPECT_NE(compareWithPublished(*test, Portion::Test).detail.find("other images (MD5"),
            std::string::npos);
}

} // namespace
