// Image folders: what is listed and in which order, decoding on demand, and the message for each
// way in which a folder can be unfit.
#include "runtime/data/formats/ImageFolder.h"
#include "test/runtime/support/ImageFiles.h"
#include "test/runtime/support/TempFolder.h"

#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace danaus;
using namespace danaus::test;

namespace {

struct ImageFolderTest : ::testing::Test {
  TempFolder folder;
  DataEnvironment nowhere{"", "", folder / "work", folder / "system"};

  ImageFolderTest() { writeImageFolder(folder.path(), 3, 1); }
  Expected<Dataset> read(Portion portion = Portion::Train) {
    return loadDataset("image_folder", folder.path(), portion, nowhere);
  }
  ::testing::AssertionResult readFails(const std::string &part) {
    return failsWith(read(), ExitCode::DataInvalid, part);
  }
};

TEST_F(ImageFolderTest, ListsClassesAndFilesInSortedOrder) {
  writeText(folder / "train/bee/.hidden.png", "x");
  writeText(folder / "train/bee/Thumbs.db", "x");
  writeText(folder / "train/bee/10.JPEG", encodeJpeg(gradientImage({3, 8, 9})));
  Expected<Dataset> dataset = read();
  ASSERT_TRUE(succeeds(dataset));
  EXPECT_FALSE(dataset->inMemory());
  EXPECT_EQ(dataset->shape, (ImageShape{3, 0, 0}));
  EXPECT_EQ(dataset->classes, 3u);
  EXPECT_EQ(dataset->classNames, (std::vector<std::string>{"ant", "bee", "cat"}));
  EXPECT_EQ(dataset->labels, (std::vector<int32_t>{0, 0, 0, 1, 1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(dataset->files[0], folder / "train/ant/0.png");
  EXPECT_EQ(dataset->files[5], folder / "train/bee/10.JPEG");
  Expected<Image> image = dataset->load(5);
  ASSERT_TRUE(succeeds(image));
  EXPECT_EQ(image->shape, (ImageShape{3, 8, 9}));
}

TEST_F(ImageFolderTest, ClassesAlone) {
  Expected<std::vector<std::string>> classes = imageFolderClasses(folder.path());
  ASSERT_TRUE(succeeds(classes));
  EXPECT_EQ(*classes, (std::vector<std::string>{"ant", "bee", "cat"}));
}

TEST_F(ImageFolderTest, TestPortionIsValElseTest) {
  ASSERT_TRUE(succeeds(read(Portion::Test)));
  EXPECT_EQ(read(Portion::Test)->files[0], folder / "val/ant/0.png");
  ASSERT_EQ(::rename((folder / "val").c_str(), (folder / "test").c_str()), 0);
  EXPECT_EQ(read(Portion::Test)->files[0], folder / "test/ant/0.png");
}

TEST_F(ImageFolderTest, ImagenetIsFoundByItsName) {
  ASSERT_TRUE(makeFolders(folder / "work/data"));
  writeImageFolder(folder / "work/data/imagenet", 1, 1);
  Expected<Dataset> dataset = loadDataset("imagenet_folder", "", Portion::Train, nowhere);
  ASSERT_TRUE(succeeds(dataset));
  EXPECT_EQ(dataset->folder, folder / "work/data/imagenet");
}

TEST_F(ImageFolderTest, LinksAreFollowed) {
  ASSERT_EQ(::rename((folder / "train/cat").c_str(), (folder / "elsewhere").c_str()), 0);
  ASSERT_EQ(::symlink((folder / "elsewhere").c_str(), (folder / "train/cat").c_str()), 0);
  ASSERT_EQ(::symlink((folder / "elsewhere/0.png").c_str(), (folder / "train/bee/z.png").c_str()),
            0);
  Expected<Dataset> dataset = read();
  ASSERT_TRUE(succeeds(dataset));
  EXPECT_EQ(dataset->labels, (std::vector<int32_t>{0, 0, 0, 1, 1, 1, 1, 2, 2, 2}));
}

TEST_F(ImageFolderTest, DecodesTheSameFromManyThreads) {
  Expected<Dataset> dataset = read();
  ASSERT_TRUE(succeeds(dataset));
  std::vector<std::vector<uint8_t>> seen(8 * dataset->count());
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < 8; ++thread)
    threads.emplace_back([&, thread] {
      for (size_t index = 0; index < dataset->count(); ++index)
        if (Expected<Image> image = dataset->load(index))
          seen[thread * dataset->count() + index] = std::move(image->pixels);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (size_t index = 0; index < seen.size(); ++index) {
    EXPECT_FALSE(seen[index].empty());
    EXPECT_EQ(seen[index], seen[index % dataset->count()]);
  }
}

TEST_F(ImageFolderTest, DamagedFileIsNamedWhenItIsAskedFor) {
  writeText(folder / "train/ant/0.png", "<html>not found</html>");
  Expected<Dataset> dataset = read();
  ASSERT_TRUE(succeeds(dataset));
  EXPECT_TRUE(failsWith(dataset->load(0), ExitCode::DataInvalid,
                        "train/ant/0.png' is neither a JPEG nor a PNG image but a web page"));
  ASSERT_TRUE(removeTree(folder / "train/ant/1.jpg"));
  EXPECT_TRUE(failsWith(dataset->load(1), ExitCode::DataInvalid,
                        "cannot open '" + (folder / "train/ant/1.jpg")));
}

TEST_F(ImageFolderTest, MissingPortions) {
  ASSERT_TRUE(removeTree(folder / "val"));
  EXPECT_TRUE(readFails("has neither a folder 'val' nor 'test'"));
  ASSERT_TRUE(removeTree(folder / "train"));
  EXPECT_TRUE(readFails("the dataset image_folder is in none of these folders"));
  ASSERT_TRUE(makeFolders(folder / "val"));
  EXPECT_TRUE(readFails("has no folder 'train'"));
}

TEST_F(ImageFolderTest, ClassesMustAgree) {
  ASSERT_TRUE(removeTree(folder / "val/bee"));
  EXPECT_TRUE(readFails("train' has the class 'bee' but '" + (folder / "val") +
                        "' has not (1 such class)"));
  ASSERT_TRUE(removeTree(folder / "train/bee"));
  ASSERT_TRUE(makeFolders(folder / "val/dog"));
  ASSERT_TRUE(makeFolders(folder / "val/eel"));
  EXPECT_TRUE(readFails("val' has the class 'dog' but '" + (folder / "train") +
                        "' has not (2 such classes)"));
}

TEST_F(ImageFolderTest, FoldersWithoutImages) {
  ASSERT_TRUE(removeTree(folder / "train/bee"));
  ASSERT_TRUE(makeFolders(folder / "train/bee"));
  EXPECT_TRUE(readFails("train/bee' is empty: every class needs at least one image"));
  writeText(folder / "train/bee/readme.txt", "x");
  EXPECT_TRUE(readFails("train/bee' holds no images: none of its 1 files ends in .jpg"));
  ASSERT_TRUE(makeFolders(folder / "train/bee/images"));
  EXPECT_TRUE(readFails("train/bee' holds no images itself, only folders such as 'images'"));
}

TEST_F(ImageFolderTest, PortionsWithoutClasses) {
  ASSERT_TRUE(removeTree(folder / "train"));
  ASSERT_TRUE(makeFolders(folder / "train"));
  EXPECT_TRUE(readFails("train' is empty: there must be one folder a class"));
  writeText(folder / "train/1.png", "x");
  EXPECT_TRUE(readFails("train' holds 1 images but no folders"));
}

TEST_F(ImageFolderTest, FolderThatMayNotBeRead) {
  if (::geteuid() == 0)
    GTEST_SKIP() << "root may read everything";
  ASSERT_EQ(::chmod((folder / "train/bee").c_str(), 0), 0);
  EXPECT_TRUE(readFails("cannot open the folder '" + (folder / "train/bee")));
  ::chmod((folder / "train/bee").c_str(), 0700);
}

} // namespace
