// CIFAR-10: what reads, where it is looked for, and the message for each way of being broken.
#include "runtime/data/formats/Cifar10.h"
#include "test/runtime/support/CifarFiles.h"
#include "test/runtime/support/Damage.h"
#include "test/runtime/support/IdxFiles.h"

#include <algorithm>

using namespace danaus;
using namespace danaus::test;

namespace {

struct Cifar10Test : ::testing::Test {
  TempFolder folder;
  DataEnvironment nowhere{"", "", folder / "work", folder / "system"};

  Expected<Dataset> read(Portion portion = Portion::Train) {
    return loadDataset("cifar10", folder.path(), portion, nowhere);
  }
  ::testing::AssertionResult readFails(const std::string &part) {
    return failsWith(read(), ExitCode::DataInvalid, part);
  }
  void write() { writeCifar10(folder.path(), 3, 7); }
};

TEST_F(Cifar10Test, ReadsBatchesInOrder) {
  write();
  Expected<Dataset> train = read(), test = read(Portion::Test);
  ASSERT_TRUE(succeeds(train));
  ASSERT_TRUE(succeeds(test));
  EXPECT_EQ(train->name, "cifar10");
  EXPECT_EQ(train->shape, (ImageShape{3, 32, 32}));
  EXPECT_EQ(train->classNames[9], "truck");
  ASSERT_EQ(train->count(), 15u);
  EXPECT_EQ(test->count(), 7u);
  for (uint32_t row = 0; row < 15; ++row) {
    EXPECT_EQ(train->labels[row], int32_t(row % 10));
    for (uint32_t value : {0u, 1u, 1024u, 3071u})
      EXPECT_EQ(train->row(row)[value], uint8_t(7 * row + value)) << row << ' ' << value;
  }
}

TEST_F(Cifar10Test, IsFoundUnderTheNameOfItsArchive) {
  for (const char *place : {"work/data/cifar10/cifar-10-batches-bin",
                            "work/data/cifar-10-batches-bin", "work/data/cifar10"}) {
    ASSERT_TRUE(makeFolders(folder / place));
    writeCifar10(folder / place, 1, 1);
    Expected<Dataset> found = loadDataset("cifar10", "", Portion::Train, nowhere);
    ASSERT_TRUE(succeeds(found));
    EXPECT_EQ(found->folder, folder / place);
    found = loadDataset("cifar10", folder / "work/data", Portion::Train, nowhere);
    ASSERT_TRUE(succeeds(found));
    EXPECT_EQ(found->folder, folder / place);
  }
}

TEST_F(Cifar10Test, AnArchiveBesideTheFilesDoesNoHarm) {
  ASSERT_TRUE(makeFolders(folder / "cifar-10-batches-bin"));
  writeCifar10(folder / "cifar-10-batches-bin", 1, 1);
  writeText(folder / "cifar-10-binary.tar.gz", "\x1f\x8b");
  EXPECT_TRUE(succeeds(read()));
}

TEST_F(Cifar10Test, NotThere) {
  EXPECT_TRUE(readFails("the dataset cifar10 is in none of these folders"));
  EXPECT_TRUE(readFails(folder / "cifar10/cifar-10-batches-bin  (no such folder)"));
  EXPECT_TRUE(readFails("unpack cifar-10-binary.tar.gz of https://"));
}

TEST_F(Cifar10Test, MissingBatch) {
  write();
  ASSERT_TRUE(removeTree(folder / "data_batch_3.bin"));
  EXPECT_TRUE(readFails("data_batch_3.bin' is missing: the training images"));
  ASSERT_TRUE(removeTree(folder / "test_batch.bin"));
  EXPECT_TRUE(failsWith(read(Portion::Test), ExitCode::DataInvalid,
                        "test_batch.bin' is missing: it holds the test images"));
}

TEST_F(Cifar10Test, WrongSizes) {
  write();
  writeText(folder / "data_batch_2.bin", cifarRecordsFrom(0, 2).substr(0, 5000));
  EXPECT_TRUE(readFails("data_batch_2.bin' has 5000 bytes, which is no whole number of records of "
                        "3073 bytes (a published file has 30730000)"));
  writeText(folder / "data_batch_2.bin", "");
  EXPECT_TRUE(readFails("data_batch_2.bin' is empty"));
}

TEST_F(Cifar10Test, LabelOutOfRange) {
  write();
  std::string content = cifarRecordsFrom(0, 3);
  content[2 * cifarRecordBytes] = 10;
  writeText(folder / "data_batch_4.bin", content);
  EXPECT_TRUE(readFails("data_batch_4.bin' has the label 10 in record 2"));
}

TEST_F(Cifar10Test, PythonVersion) {
  writeText(folder / "data_batch_1", "\x80\x02");
  EXPECT_TRUE(readFails("data_batch_1' belongs to the Python version of CIFAR-10"));
  write();
  writeText(folder / "data_batch_1.bin", std::string("\x80\x02}q", 4));
  EXPECT_TRUE(readFails("data_batch_1.bin' is a Python pickle"));
}

TEST_F(Cifar10Test, PackedFiles) {
  writeText(folder / "cifar-10-binary.tar.gz", "\x1f\x8b");
  EXPECT_TRUE(readFails("cifar-10-binary.tar.gz' is not unpacked: tar -xf it"));
  write();
  ASSERT_TRUE(removeTree(folder / "data_batch_1.bin"));
  writeGz(folder / "data_batch_1.bin.gz", cifarRecordsFrom(0, 3));
  EXPECT_TRUE(readFails("data_batch_1.bin.gz' is still compressed with gzip: gunzip it"));
  writeGz(folder / "data_batch_1.bin", cifarRecordsFrom(0, 3));
  EXPECT_TRUE(readFails("data_batch_1.bin' is still compressed with gzip: rename it"));
  std::string tar(1024, '\0');
  tar.replace(0, 5, "cifar").replace(257, 5, "ustar");
  writeText(folder / "data_batch_1.bin", tar);
  EXPECT_TRUE(readFails("data_batch_1.bin' is a tar archive: unpack it"));
  writeText(folder / "data_batch_1.bin", "<!DOCTYPE html><title>404</title>");
  EXPECT_TRUE(readFails("data_batch_1.bin' is a web page"));
}

TEST_F(Cifar10Test, AnImageThatLooksLikeAnArchiveIsAnImage) {
  write();
  std::string content = cifarRecordsFrom(0, 1);
  content.replace(257, 5, "ustar");
  writeText(folder / "data_batch_1.bin", content);
  EXPECT_TRUE(succeeds(read()));
}

TEST_F(Cifar10Test, DamagedFilesAreReadOrRefused) {
  write();
  forEachDamage(cifarRecordsFrom(0, 2), 100, [&](const std::string &bad) {
    writeText(folder / "data_batch_1.bin", bad);
    Expected<Dataset> dataset = read();
    if (dataset)
      for (int32_t label : dataset->labels)
        EXPECT_TRUE(label >= 0 && label < 10);
    else
      EXPECT_EQ(dataset.error().code(), ExitCode::DataInvalid) << dataset.error().message();
  });
}

} // namespace
