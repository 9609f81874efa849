// IDX files and the search for datasets: what reads, and the message for each way of being broken.
#include "runtime/data/formats/Idx.h"
#include "runtime/data/Dataset.h"
#include "test/runtime/support/Damage.h"
#include "test/runtime/support/IdxFiles.h"

using namespace danaus;
using namespace danaus::test;

namespace {

constexpr const char *imagesName = "train-images-idx3-ubyte";
constexpr const char *labelsName = "train-labels-idx1-ubyte";

struct IdxTest : ::testing::Test {
  TempFolder folder;

  Expected<IdxFile> readImages(uint64_t limit = idxByteLimit) {
    return readIdx(folder.path(), imagesName, IdxContent::Images, limit);
  }
  void writeImages(const std::string &content, Packing packing = Packing::Plain) {
    writePacked(folder / imagesName, content, packing);
  }
  ::testing::AssertionResult imagesFail(const std::string &part) {
    return failsWith(readImages(), ExitCode::DataInvalid, part);
  }
};

TEST_F(IdxTest, PlainAndGzipReadTheSame) {
  std::string content = idxImages(5);
  for (Packing packing : {Packing::Gzip, Packing::Plain}) {
    writeImages(content, packing);
    Expected<IdxFile> file = readImages();
    ASSERT_TRUE(succeeds(file));
    EXPECT_EQ(file->dimensions, (std::vector<uint64_t>{5, 28, 28}));
    EXPECT_EQ(std::string(file->bytes.begin(), file->bytes.end()), content.substr(16));
  }
}

TEST_F(IdxTest, Missing) {
  EXPECT_TRUE(imagesFail("train-images-idx3-ubyte' is missing, and so is "
                         "'train-images-idx3-ubyte.gz'"));
}

TEST_F(IdxTest, Empty) {
  writeImages("");
  EXPECT_TRUE(imagesFail("is empty"));
}

TEST_F(IdxTest, GzipLeftOn) {
  writeGz(folder / imagesName, idxImages(2));
  EXPECT_TRUE(imagesFail("is still compressed with gzip: gunzip it"));
}

TEST_F(IdxTest, PlainNamedGz) {
  writeText(folder / (std::string(imagesName) + ".gz"), idxImages(2));
  EXPECT_TRUE(imagesFail("is named .gz but is not compressed"));
}

TEST_F(IdxTest, WebPageInsteadOfData) {
  for (const char *page :
       {"<!DOCTYPE html><title>404</title>", "\n <HTML>", "<?xml version=\"1\"?>"}) {
    writeImages(page);
    EXPECT_TRUE(imagesFail("is a web page, not data"));
  }
  ASSERT_TRUE(removeTree(folder / imagesName));
  writeText(folder / (std::string(imagesName) + ".gz"), "<html>");
  EXPECT_TRUE(imagesFail(".gz' is a web page, not data"));
}

TEST_F(IdxTest, SwappedFiles) {
  writeImages(idxLabels(5));
  EXPECT_TRUE(imagesFail("holds labels (magic 2049) where images (2051) belong"));
  writeText(folder / labelsName, idxImages(5));
  EXPECT_TRUE(failsWith(readIdx(folder.path(), labelsName, IdxContent::Labels),
                        ExitCode::DataInvalid, "holds images (magic 2051) where labels (2049)"));
}

TEST_F(IdxTest, WrongMagic) {
  writeImages(idxBytes(0x0D03, {1, 28, 28}, std::string(784, 0)));
  EXPECT_TRUE(imagesFail("starts with 0x00000d03 instead of 0x00000803"));
}

TEST_F(IdxTest, CutAtEveryHeaderByte) {
  std::string content = idxImages(2);
  for (size_t size = 1; size < 16; ++size) {
    writeImages(content.substr(0, size));
    EXPECT_TRUE(imagesFail("is cut short: its header has " + std::to_string(size) + " of 16"));
  }
}

TEST_F(IdxTest, PlainCutShort) {
  writeImages(idxImages(2).substr(0, 1000));
  EXPECT_TRUE(imagesFail("is cut short: 1584 bytes announced, but a file of 1000 bytes"));
}

TEST_F(IdxTest, GzipOfCutContent) {
  writeImages(idxImages(2).substr(0, 1000), Packing::Gzip);
  EXPECT_TRUE(imagesFail("is cut short: 1584 bytes expected, 1000 found"));
}

TEST_F(IdxTest, GzipStreamCutAnywhere) {
  writeImages(idxImages(2), Packing::Gzip);
  std::string path = folder / (std::string(imagesName) + ".gz"), whole = readText(path);
  for (size_t size = 0; size < whole.size(); ++size) {
    writeText(path, whole.substr(0, size));
    EXPECT_TRUE(failsWith(readImages(), ExitCode::DataInvalid, ".gz' is")) << size;
  }
}

TEST_F(IdxTest, GzipStreamDamaged) {
  writeImages(idxImages(20), Packing::Gzip);
  std::string path = folder / (std::string(imagesName) + ".gz"), bytes = readText(path);
  bytes[bytes.size() - 6] ^= 1; // the checksum at the end
  writeText(path, bytes);
  EXPECT_TRUE(imagesFail("is damaged"));
}

TEST_F(IdxTest, TrailingBytes) {
  for (Packing packing : {Packing::Gzip, Packing::Plain}) {
    writeImages(idxImages(2) + "x", packing);
    EXPECT_TRUE(imagesFail("goes on after the 1584 bytes that its header announces"));
  }
}

TEST_F(IdxTest, DimensionsThatOverflow) {
  writeImages(idxBytes(0x0803, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, "x"));
  EXPECT_TRUE(imagesFail("announces 4294967295 x 4294967295 x 4294967295 bytes, more than"));
}

TEST_F(IdxTest, DecompressionBomb) {
  writeImages(idxBytes(0x0803, {100, 28, 28}, std::string(78400, 0)), Packing::Gzip);
  EXPECT_TRUE(failsWith(readImages(50000), ExitCode::DataInvalid, "more than the 50000 that"));
  // Far more than its compressed bytes could ever hold: refused before memory is asked for.
  writeImages(idxBytes(0x0803, {1000000, 28, 28}, "x"), Packing::Gzip);
  EXPECT_TRUE(imagesFail("cannot hold them"));
}

TEST_F(IdxTest, DamagedFilesAreReadOrRefused) {
  for (Packing packing : {Packing::Plain, Packing::Gzip}) {
    writeImages(idxImages(3, 6, 5), packing);
    std::string path = (folder / imagesName) + (packing == Packing::Gzip ? ".gz" : "");
    forEachDamage(readText(path), 150, [&](const std::string &bad) {
      writeText(path, bad);
      Expected<IdxFile> file = readImages(1 << 20);
      if (file)
        EXPECT_EQ(file->bytes.size(),
                  file->dimensions[0] * file->dimensions[1] * file->dimensions[2]);
      else
        EXPECT_EQ(file.error().code(), ExitCode::DataInvalid) << file.error().message();
    });
    ASSERT_TRUE(removeTree(path));
  }
}

struct DatasetTest : ::testing::Test {
  TempFolder folder;
  DataEnvironment nowhere{folder / "env", folder / "home", folder / "work", folder / "system"};

  Expected<Dataset> load(Portion portion = Portion::Train) {
    return loadDataset("mnist", folder.path(), portion, nowhere);
  }
};

TEST_F(DatasetTest, BothPortions) {
  writeMnist(folder.path(), 30, 12);
  Expected<Dataset> train = load(), test = load(Portion::Test);
  ASSERT_TRUE(succeeds(train));
  ASSERT_TRUE(succeeds(test));
  EXPECT_EQ(train->count(), 30u);
  EXPECT_EQ(test->count(), 12u);
  EXPECT_EQ(train->shape, (ImageShape{1, 28, 28}));
  EXPECT_EQ(train->classes, 10u);
  EXPECT_EQ(train->labels[23], 3);
  EXPECT_EQ(train->row(23)[5], uint8_t(7 * 23 + 5));
}

TEST_F(DatasetTest, CountsThatDiffer) {
  writeMnist(folder.path(), 30, 12, Packing::Plain);
  writeText(folder / labelsName, idxLabels(29));
  EXPECT_TRUE(failsWith(load(), ExitCode::DataInvalid, "holds 30 images but"));
  EXPECT_TRUE(failsWith(load(), ExitCode::DataInvalid, "holds 29 labels"));
}

TEST_F(DatasetTest, LabelOutOfRange) {
  writeMnist(folder.path(), 30, 12, Packing::Plain);
  std::string labels = idxLabels(30);
  labels[8 + 17] = 10;
  writeText(folder / labelsName, labels);
  EXPECT_TRUE(failsWith(load(), ExitCode::DataInvalid, "label 17 is 10, but mnist has the 10"));
}

TEST_F(DatasetTest, WrongImageSizeAndNoImages) {
  writeMnist(folder.path(), 30, 12, Packing::Plain);
  writeText(folder / imagesName, idxImages(30, 32, 31));
  EXPECT_TRUE(failsWith(load(), ExitCode::DataInvalid, "images of 32 x 31 pixels; those of mnist"));
  writeText(folder / imagesName, idxImages(0));
  EXPECT_TRUE(failsWith(load(), ExitCode::DataInvalid, "holds no images"));
}

TEST_F(DatasetTest, OneOfTheFilesMissing) {
  writeMnist(folder.path(), 30, 12, Packing::Plain);
  ASSERT_TRUE(removeTree(folder / labelsName));
  EXPECT_TRUE(failsWith(load(), ExitCode::DataInvalid, "train-labels-idx1-ubyte' is missing"));
}

TEST_F(DatasetTest, UnknownName) {
  EXPECT_TRUE(failsWith(loadDataset("minst", "", Portion::Train, nowhere), ExitCode::DataInvalid,
                        "no dataset is called 'minst'; there are: fashion_mnist, mnist"));
}

TEST_F(DatasetTest, NotFoundNamesEveryPlaceAndTheRemedy) {
  Expected<Dataset> missing = loadDataset("fashion_mnist", "", Portion::Train, nowhere);
  for (const char *part :
       {"env/fashion_mnist", "home/danaus/fashion_mnist", "work/data/fashion_mnist",
        "system/fashion-mnist", "apt-get install dataset-fashion-mnist"})
    EXPECT_TRUE(failsWith(missing, ExitCode::DataInvalid, part));
  EXPECT_TRUE(failsWith(loadDataset("mnist", folder / "given", Portion::Train, nowhere),
                        ExitCode::DataInvalid, "/given  (no such folder)"));
}

TEST_F(DatasetTest, SearchOrder) {
  // Each place, from the last to the first, hides those after it.
  std::vector<std::string> places = {"system/fashion-mnist", "work/data/fashion_mnist",
                                     "home/danaus/fashion_mnist", "env/fashion_mnist"};
  for (uint32_t index = 0; index < places.size(); ++index) {
    ASSERT_TRUE(makeFolders(folder / places[index]));
    writeMnist(folder / places[index], 10 + index, 10);
    Expected<Dataset> found = loadDataset("fashion_mnist", "", Portion::Train, nowhere);
    ASSERT_TRUE(succeeds(found));
    EXPECT_EQ(found->count(), 10u + index);
    EXPECT_EQ(found->folder, folder / places[index]);
  }
}

TEST_F(DatasetTest, SystemFolderIsNotMnist) {
  ASSERT_TRUE(makeFolders(folder / "system/fashion-mnist"));
  writeMnist(folder / "system/fashion-mnist", 10, 10);
  EXPECT_FALSE(loadDataset("mnist", "", Portion::Train, nowhere));
}

} // namespace
