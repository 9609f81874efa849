// Numpy arrays: every layout and type that reads, and the message for each that does not.
#include "runtime/data/formats/Npy.h"
#include "runtime/data/formats/NpyHeader.h"
#include "test/runtime/support/Damage.h"
#include "test/runtime/support/NpyFiles.h"

using namespace danaus;
using namespace danaus::test;

namespace {

struct NpyTest : ::testing::Test {
  TempFolder folder;

  NpyTest() { writeNpy(folder.path(), 9, 4); }
  Expected<Dataset> read(Portion portion = Portion::Train) {
    return loadDataset("npy", folder.path(), portion);
  }
  ::testing::AssertionResult readFails(const std::string &part) {
    return failsWith(read(), ExitCode::DataInvalid, part);
  }
  void writeImages(const std::string &header, size_t bytes, const std::string &stem = "train") {
    writeText(folder / (stem + "_images.npy"), npyBytes(header, npyContent(bytes)));
  }
  void writeLabels(const std::string &header, const std::string &content) {
    writeText(folder / "train_labels.npy", npyBytes(header, content));
  }
};

TEST_F(NpyTest, GreyImages) {
  Expected<Dataset> train = read(), test = read(Portion::Test);
  ASSERT_TRUE(succeeds(train));
  ASSERT_TRUE(succeeds(test));
  EXPECT_EQ(train->shape, (ImageShape{1, 6, 5}));
  EXPECT_EQ(train->labels, (std::vector<int32_t>{0, 1, 2, 3, 0, 1, 2, 3, 0}));
  EXPECT_EQ(train->classes, 4u);
  EXPECT_EQ(test->count(), 4u);
  EXPECT_EQ(std::string(train->images.begin(), train->images.end()), npyContent(270));
}

TEST_F(NpyTest, ClassesAreThoseOfBothPortions) {
  writeLabels(npyHeader("|u1", "(9,)"), std::string(9, '\0'));
  EXPECT_EQ(read()->classes, 4u);
}

TEST_F(NpyTest, ChannelsFirstAndLast) {
  for (const char *stem : {"train", "test"})
    writeImages(npyHeader("|u1", stem == std::string("train") ? "(9, 3, 6, 5)" : "(4, 3, 6, 5)"),
                stem == std::string("train") ? 810 : 360, stem);
  Expected<Dataset> planes = read();
  ASSERT_TRUE(succeeds(planes));
  EXPECT_EQ(planes->shape, (ImageShape{3, 6, 5}));
  EXPECT_EQ(std::string(planes->images.begin(), planes->images.end()), npyContent(810));
  writeImages(npyHeader("|u1", "(9, 6, 5, 3)"), 810);
  Expected<Dataset> last = read();
  ASSERT_TRUE(succeeds(last));
  EXPECT_EQ(last->shape, (ImageShape{3, 6, 5}));
  std::string content = npyContent(810);
  for (size_t row = 0; row < 9; ++row)
    for (size_t channel = 0; channel < 3; ++channel)
      for (size_t pixel = 0; pixel < 30; ++pixel)
        ASSERT_EQ(last->row(row)[channel * 30 + pixel],
                  uint8_t(content[row * 90 + pixel * 3 + channel]));
}

TEST_F(NpyTest, EveryIntegerTypeOfLabels) {
  for (const char *type : {"|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"}) {
    writeLabels(npyHeader(type, "(9,)"), npyLabels(9, unsigned(type[2] - '0')));
    ASSERT_TRUE(succeeds(read())) << type;
    EXPECT_EQ(read()->labels[7], 3) << type;
  }
}

TEST_F(NpyTest, MissingFile) {
  ASSERT_TRUE(removeTree(folder / "test_labels.npy"));
  EXPECT_TRUE(readFails("test_labels.npy' is missing: a dataset of numpy arrays is"));
}

TEST_F(NpyTest, WrongTypes) {
  writeImages(npyHeader("<f4", "(9, 6, 5)"), 1080);
  EXPECT_TRUE(readFails("train_images.npy' holds elements of type '<f4'; images must be uint8"));
  writeNpy(folder.path(), 9, 4);
  for (const char *type : {">i8", "<f8", "|b1", "<i3", "|O"}) {
    writeLabels(npyHeader(type, "(9,)"), npyLabels(9, 8));
    EXPECT_TRUE(readFails(std::string("elements of type '") + type + "'; labels must be integers"));
  }
  writeLabels("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (9,), }", "");
  EXPECT_TRUE(readFails("elements of type '[('a', '<i4')]'"));
}

TEST_F(NpyTest, FortranOrder) {
  writeImages("{'descr': '|u1', 'fortran_order': True, 'shape': (9, 6, 5), }", 270);
  EXPECT_TRUE(readFails("train_images.npy' is in Fortran order: save numpy.ascontiguousarray"));
}

TEST_F(NpyTest, WrongShapes) {
  auto imagesFail = [&](const std::string &shape, const std::string &part) {
    writeImages(npyHeader("|u1", shape), 270);
    return readFails("has the shape " + shape + part);
  };
  EXPECT_TRUE(imagesFail("(9, 30)", "; images have (N, H, W), (N, C, H, W) or (N, H, W, C)"));
  EXPECT_TRUE(imagesFail("(9, 2, 5, 3, 1)", "; images have"));
  EXPECT_TRUE(imagesFail("(9, 2, 5, 4)", ": neither the second nor the last extent is 1 or 3"));
  EXPECT_TRUE(imagesFail("(9, 3, 10, 1)", ", where the channels could be first or last"));
  EXPECT_TRUE(imagesFail("(0, 6, 5)", ": there are no images in it"));
  EXPECT_TRUE(imagesFail("(9, 5, 6)", ", but '"));
  writeNpy(folder.path(), 9, 4);
  writeLabels(npyHeader("|u1", "(9, 1)"), npyLabels(9, 1));
  EXPECT_TRUE(readFails("train_labels.npy' has the shape (9, 1); labels have (N,)"));
}

TEST_F(NpyTest, CountsDiffer) {
  writeLabels(npyHeader("|u1", "(8,)"), npyLabels(8, 1));
  EXPECT_TRUE(readFails("train_images.npy' holds 9 images, but train_labels.npy beside it 8"));
}

TEST_F(NpyTest, LabelsOutOfRange) {
  writeLabels(npyHeader("|i1", "(9,)"), std::string(8, 'a') + "\xff");
  EXPECT_TRUE(readFails("train_labels.npy' has the label -1 at index 8; labels are 0 to 65535"));
  writeLabels(npyHeader("<u4", "(9,)"), std::string(36, '\1'));
  EXPECT_TRUE(readFails("has the label 16843009 at index 0"));
}

TEST_F(NpyTest, WrongSizes) {
  writeImages(npyHeader("|u1", "(9, 6, 5)"), 269);
  EXPECT_TRUE(readFails("is cut short: 398 bytes expected, 397 found"));
  writeImages(npyHeader("|u1", "(9, 6, 5)"), 271);
  EXPECT_TRUE(readFails("goes on after the 398 bytes that its header announces"));
  writeImages(npyHeader("|u1", "(2000000000, 2000000000, 2000000000)"), 1);
  EXPECT_TRUE(readFails("announces the shape (2000000000, 2000000000, 2000000000), more than"));
}

TEST_F(NpyTest, OtherFiles) {
  writeText(folder / "train_images.npy", "PK\x03\x04");
  EXPECT_TRUE(readFails("is not a numpy array (.npy) but a zip archive: an .npz holds several"));
  writeText(folder / "train_images.npy", "hello");
  EXPECT_TRUE(readFails("is not a numpy array (.npy)"));
  writeText(folder / "train_images.npy", "");
  EXPECT_TRUE(readFails("is empty"));
}

Expected<NpyHeader> parse(const std::string &dict, unsigned version = 1) {
  return parseNpyHeader(npyBytes(dict, "", version), "x.npy");
}

TEST(NpyHeader, AllVersionsAndSpellings) {
  for (unsigned version : {1u, 2u, 3u}) {
    Expected<NpyHeader> header = parse(npyHeader("<i4", "(3, 40)"), version);
    ASSERT_TRUE(succeeds(header));
    EXPECT_EQ(header->dtype, "<i4");
    EXPECT_EQ(header->shape, (std::vector<uint64_t>{3, 40}));
    EXPECT_EQ(header->dataOffset % 64, 0u);
  }
  Expected<NpyHeader> header =
      parse("{\"shape\": (7L,), \"fortran_order\": True, \"descr\": \"|u1\"}");
  ASSERT_TRUE(succeeds(header));
  EXPECT_TRUE(header->fortranOrder);
  EXPECT_EQ(header->shape, (std::vector<uint64_t>{7}));
  EXPECT_TRUE(succeeds(parse(npyHeader("|u1", "()"))));
}

TEST(NpyHeader, NotWhatNumpyWrites) {
  for (const char *dict :
       {"", "{}", "{'descr': '|u1', 'fortran_order': False}", "{'descr': '|u1'",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (01,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|u1', 'more': '', 'fortran_order': False, 'shape': (1,)}"})
    EXPECT_TRUE(failsWith(parse(dict), ExitCode::DataInvalid,
                          "'x.npy' is damaged: its header is not what numpy.save writes"))
        << dict;
  EXPECT_TRUE(failsWith(parse(npyHeader("|u1", "(1,)"), 4), ExitCode::DataInvalid,
                        "is a numpy array of version 4.0"));
  EXPECT_TRUE(failsWith(parseNpyHeader("\x93NUMPY\x01", "x.npy"), ExitCode::DataInvalid,
                        "is cut short: its header is not whole"));
  EXPECT_TRUE(failsWith(parseNpyHeader(std::string("\x93NUMPY\x02\0\0\0\0\1", 12), "x.npy"),
                        ExitCode::DataInvalid, "has a header of 16777216 bytes"));
}

TEST_F(NpyTest, DamagedFilesAreReadOrRefused) {
  for (const char *name : {"train_images.npy", "train_labels.npy"}) {
    forEachDamage(readText(folder / name), 100, [&](const std::string &bad) {
      writeText(folder / name, bad);
      Expected<Dataset> dataset = read();
      if (dataset)
        EXPECT_EQ(dataset->images.size(), dataset->count() * dataset->shape.pixels());
      else
        EXPECT_EQ(dataset.error().code(), ExitCode::DataInvalid) << dataset.error().message();
    });
    writeNpy(folder.path(), 9, 4);
  }
}

} // namespace
