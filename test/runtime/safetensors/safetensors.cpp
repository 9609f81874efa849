// safetensors: what is written reads back; every check of the reference implementation has its
// case.
#include "runtime/safetensors/Safetensors.h"
#include "test/runtime/support/TempFolder.h"

#include <bit>
#include <cmath>
#include <cstring>

using namespace danaus;
using namespace danaus::test;

namespace {

struct SafetensorsTest : ::testing::Test {
  TempFolder folder;
  std::string path = folder / "t.safetensors";

  /// A file with this header and this many bytes of data.
  void writeRaw(const std::string &header, size_t dataBytes) {
    uint64_t length = header.size();
    std::string bytes(reinterpret_cast<const char *>(&length), 8);
    writeText(path, bytes + header + std::string(dataBytes, '\0'));
  }
  ::testing::AssertionResult fails(const std::string &header, size_t dataBytes,
                                   const std::string &part) {
    writeRaw(header, dataBytes);
    Expected<SafetensorsFile> file = SafetensorsFile::open(path);
    ::testing::AssertionResult named = failsWith(file, ExitCode::CheckpointInvalid, path);
    return named ? failsWith(file, ExitCode::CheckpointInvalid, part) : named;
  }
};

TEST_F(SafetensorsTest, WrittenReadsBack) {
  std::vector<float> weight = {1, 2, 3, 4, 5, 6}, scalar = {NAN};
  int64_t step = -7;
  std::vector<TensorRef> tensors = {{"b.weight", {2, 3}, weight.data()},
                                    {"a", {}, scalar.data()},
                                    {"empty", {0, 5}, nullptr},
                                    {"step", {}, &step, TensorType::I64}};
  ASSERT_TRUE(succeeds(writeSafetensors(path, tensors, {{"format", "pt"}})));
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(succeeds(file));
  EXPECT_EQ(file->metadata().at("format"), "pt");
  ASSERT_EQ(file->tensors().size(), 4u);
  EXPECT_EQ(file->tensors()[0].name, "step"); // the widest type first
  std::vector<float> read(6);
  ASSERT_TRUE(succeeds(file->readFloats("b.weight", read.data(), 6)));
  EXPECT_EQ(read, weight);
  ASSERT_TRUE(succeeds(file->readFloats("a", read.data(), 1)));
  EXPECT_TRUE(std::isnan(read[0]));
  ASSERT_TRUE(succeeds(file->readFloats("empty", read.data(), 0)));
  int64_t readStep = 0;
  ASSERT_TRUE(succeeds(file->readIntegers("step", &readStep, 1)));
  EXPECT_EQ(readStep, -7);
}

TEST_F(SafetensorsTest, BytesDoNotDependOnOrderAndDataAreAligned) {
  float a = 1, b = 2;
  std::vector<TensorRef> forth = {{"a", {1}, &a}, {"b", {1}, &b}};
  std::vector<TensorRef> back = {forth[1], forth[0]};
  ASSERT_TRUE(succeeds(writeSafetensors(path, forth)));
  std::string bytes = readText(path);
  ASSERT_TRUE(succeeds(writeSafetensors(path, back)));
  EXPECT_EQ(readText(path), bytes);
  EXPECT_EQ((bytes.size() - 8) % 8, 0u);
  // What the reference implementation writes for the same tensors.
  std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(bytes.substr(8, header.size()), header);
}

TEST_F(SafetensorsTest, ReadingConverts) {
  double doubles[2] = {0.1, -1e-3};
  uint16_t halves[6] = {0x3C00, 0xC000, 0x0001, 0x7C00, 0x03FF, 0x7BFF};
  uint16_t bfloats[2] = {0x3F80, 0xC2F7};
  std::vector<TensorRef> tensors = {{"d", {2}, doubles, TensorType::F64},
                                    {"h", {6}, halves, TensorType::F16},
                                    {"g", {2}, bfloats, TensorType::BF16}};
  ASSERT_TRUE(succeeds(writeSafetensors(path, tensors)));
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(succeeds(file));
  std::vector<float> read(2);
  ASSERT_TRUE(succeeds(file->readFloats("d", read.data(), 2)));
  EXPECT_EQ(read, (std::vector<float>{0.1f, -1e-3f}));
  ASSERT_TRUE(succeeds(file->readFloats("g", read.data(), 2)));
  EXPECT_EQ(read, (std::vector<float>{1.0f, -123.5f}));
  read.resize(6);
  ASSERT_TRUE(succeeds(file->readFloats("h", read.data(), 6)));
  EXPECT_EQ(read, (std::vector<float>{1, -2, 0x1p-24f, INFINITY, 1023 * 0x1p-24f, 65504}));
}

TEST_F(SafetensorsTest, EveryTypeOfTheFormatParses) {
  for (const char *type : {"BOOL", "U8",  "I8",   "F8_E5M2", "F8_E4M3", "F8_E8M0", "I16",
                           "U16",  "F16", "BF16", "I32",     "U32",     "F32",     "C64",
                           "F64",  "I64", "U64",  "F4",      "F6_E2M3", "F6_E3M2"}) {
    std::optional<TensorType> known = tensorTypeFromName(type);
    ASSERT_TRUE(known) << type;
    EXPECT_STREQ(tensorTypeName(*known), type);
    size_t bytes = tensorTypeBits(*known);
    writeRaw(format(R"({"t":{"dtype":"%s","shape":[8],"data_offsets":[0,%zu]}})", type, bytes),
             bytes);
    EXPECT_TRUE(succeeds(SafetensorsFile::open(path))) << type;
  }
}

TEST_F(SafetensorsTest, BrokenFraming) {
  EXPECT_TRUE(failsWith(SafetensorsFile::open(folder / "none"), ExitCode::CheckpointInvalid,
                        "No such file"));
  writeText(path, "1234567");
  EXPECT_TRUE(failsWith(SafetensorsFile::open(path), ExitCode::CheckpointInvalid, "is cut short"));
  uint64_t length = 100;
  writeText(path, std::string(reinterpret_cast<char *>(&length), 8) + "{}");
  EXPECT_TRUE(failsWith(SafetensorsFile::open(path), ExitCode::CheckpointInvalid,
                        "a header of 100 bytes is announced, 2 are left"));
  length = 100'000'001;
  writeText(path, std::string(reinterpret_cast<char *>(&length), 8) + "{}");
  EXPECT_TRUE(failsWith(SafetensorsFile::open(path), ExitCode::CheckpointInvalid, "100 MB"));
}

TEST_F(SafetensorsTest, BrokenJson) {
  EXPECT_TRUE(fails("[]", 0, "does not start with '{'"));
  EXPECT_TRUE(fails("{\"a\":", 0, "not valid JSON"));
  EXPECT_TRUE(fails("{} x", 0, "not valid JSON"));
  EXPECT_TRUE(fails("{\"\xff\":1}", 0, "not valid JSON"));
  EXPECT_TRUE(
      fails("{\"a\":" + std::string(1000, '[') + std::string(1000, ']') + "}", 0, "nested deeper"));
  EXPECT_TRUE(fails(R"({"a":1})", 0, "tensor a: its entry must have dtype"));
}

TEST_F(SafetensorsTest, RepeatedKeys) {
  std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_TRUE(fails("{\"a\":" + entry + ",\"a\":" + entry + "}", 4, "\"a\" is there twice"));
  EXPECT_TRUE(fails(R"({"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}})", 4,
                    "\"dtype\" is there twice"));
}

TEST_F(SafetensorsTest, BrokenEntries) {
  auto entry = [](const char *type, const char *shape, const char *offsets) {
    return format(R"({"t":{"dtype":%s,"shape":%s,"data_offsets":%s}})", type, shape, offsets);
  };
  EXPECT_TRUE(fails(entry("\"F31\"", "[1]", "[0,4]"), 4, "tensor t: unknown dtype \"F31\""));
  EXPECT_TRUE(fails(entry("1", "[1]", "[0,4]"), 4, "unknown dtype 1"));
  EXPECT_TRUE(fails(entry("\"F32\"", "[-1]", "[0,4]"), 4, "shape is not a list of sizes"));
  EXPECT_TRUE(fails(entry("\"F32\"", "[1.0]", "[0,4]"), 4, "shape is not a list of sizes"));
  EXPECT_TRUE(fails(entry("\"F32\"", "1", "[0,4]"), 4, "shape is not a list of sizes"));
  EXPECT_TRUE(fails(entry("\"F32\"", "[1]", "[0]"), 4, "data_offsets is not a pair"));
  EXPECT_TRUE(fails(entry("\"F32\"", "[1]", "[4,0]"), 4, "do not lie in"));
  EXPECT_TRUE(fails(entry("\"F32\"", "[2]", "[0,8]"), 4, "do not lie in the 4 bytes"));
  EXPECT_TRUE(fails(entry("\"F32\"", "[2]", "[0,4]"), 4, "takes 64 bits, but its data_offsets"));
  EXPECT_TRUE(fails(entry("\"F4\"", "[3]", "[0,1]"), 1, "takes 12 bits"));
  EXPECT_TRUE(fails(entry("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "overflows"));
  EXPECT_TRUE(fails(entry("\"F64\"", "[4611686018427387904]", "[0,0]"), 0, "overflows"));
}

TEST_F(SafetensorsTest, HolesOverlapsAndRests) {
  auto two = [](int firstEnd, int secondBegin, int secondEnd) {
    return format(R"({"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]},)"
                  R"("b":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}})",
                  firstEnd, firstEnd, secondEnd - secondBegin, secondBegin, secondEnd);
  };
  EXPECT_TRUE(fails(two(4, 5, 8), 8, "tensor b: leaves a hole"));
  EXPECT_TRUE(fails(two(4, 3, 8), 8, "tensor b: overlaps"));
  EXPECT_TRUE(fails(two(4, 4, 7), 8, "8 bytes of data, but the tensors cover only 7"));
  EXPECT_TRUE(fails("{}", 1, "1 bytes of data, but"));
}

TEST_F(SafetensorsTest, Metadata) {
  EXPECT_TRUE(fails(R"({"__metadata__":[]})", 0, "__metadata__ is not an object"));
  EXPECT_TRUE(fails(R"({"__metadata__":{"a":1}})", 0, "the value of \"a\" is not a string"));
}

TEST_F(SafetensorsTest, TruncatedAtEveryLengthOrExtended) {
  float values[4] = {1, 2, 3, 4};
  ASSERT_TRUE(succeeds(writeSafetensors(path, std::vector<TensorRef>{{"a", {4}, values}})));
  std::string whole = readText(path);
  for (size_t size = 0; size < whole.size(); ++size) {
    writeText(path, whole.substr(0, size));
    EXPECT_TRUE(failsWith(SafetensorsFile::open(path), ExitCode::CheckpointInvalid, path)) << size;
  }
  writeText(path, whole + "x");
  EXPECT_TRUE(failsWith(SafetensorsFile::open(path), ExitCode::CheckpointInvalid, "cut or grown"));
}

TEST_F(SafetensorsTest, CutWhileOpen) {
  float values[4] = {1, 2, 3, 4};
  ASSERT_TRUE(succeeds(writeSafetensors(path, std::vector<TensorRef>{{"a", {4}, values}})));
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(succeeds(file));
  writeText(path, readText(path).substr(0, 70));
  EXPECT_TRUE(
      failsWith(file->readFloats("a", values, 4), ExitCode::CheckpointInvalid, "is cut short"));
}

TEST_F(SafetensorsTest, ReadingTheWrongThing) {
  float values[2] = {1, 2};
  ASSERT_TRUE(succeeds(writeSafetensors(path, std::vector<TensorRef>{{"a", {2}, values}})));
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(succeeds(file));
  int64_t integer;
  float three[3];
  EXPECT_TRUE(failsWith(file->readFloats("b", values, 2), ExitCode::CheckpointInvalid,
                        "tensor b: missing"));
  EXPECT_TRUE(failsWith(file->readFloats("a", three, 3), ExitCode::CheckpointInvalid,
                        "shape [2] has 2 elements, 3 are expected"));
  EXPECT_TRUE(failsWith(file->readIntegers("a", &integer, 2), ExitCode::CheckpointInvalid,
                        "F32 where I64"));
  writeRaw(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1);
  EXPECT_TRUE(failsWith(SafetensorsFile::open(path)->readFloats("t", values, 1),
                        ExitCode::CheckpointInvalid, "tensor t: U8 cannot be read as float32"));
}

TEST_F(SafetensorsTest, WriterRefusesNamesThatClash) {
  float value = 1;
  std::vector<TensorRef> twice = {{"a", {1}, &value}, {"a", {1}, &value}};
  EXPECT_TRUE(failsWith(writeSafetensors(path, twice), ExitCode::CheckpointInvalid, "called a"));
  std::vector<TensorRef> reserved = {{"__metadata__", {1}, &value}};
  EXPECT_TRUE(failsWith(writeSafetensors(path, reserved), ExitCode::CheckpointInvalid, "reserved"));
  EXPECT_FALSE(pathExists(path));
}

TEST_F(SafetensorsTest, DifferencesFromAModel) {
  float values[6] = {};
  std::vector<TensorRef> stored = {{"x", {2, 3}, values}, {"extra", {1}, values}};
  ASSERT_TRUE(succeeds(writeSafetensors(path, stored)));
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(succeeds(file));
  EXPECT_TRUE(succeeds(requireTensors(*file, stored)));
  std::vector<TensorRef> expected = {{"x", {3, 2}, nullptr}, {"gone", {4}, nullptr}};
  Status status = requireTensors(*file, expected);
  EXPECT_TRUE(failsWith(status, ExitCode::CheckpointInvalid, "3 tensors differ:\n"));
  for (const char *part :
       {"  x      the model has [3, 2], the file [2, 3]\n", "  gone   missing; the model has [4]\n",
        "  extra  not in the model; the file has [1]"})
    EXPECT_TRUE(failsWith(status, ExitCode::CheckpointInvalid, part));
  EXPECT_EQ(differenceTable(compareTensors(*file, expected), 1),
            "  x  the model has [3, 2], the file [2, 3]\n  and 2 more\n");
}

TEST_F(SafetensorsTest, ReadsFilesOfOthers) {
  // Made by the Python package `safetensors`.
  Expected<SafetensorsFile> file =
      SafetensorsFile::open(std::string(DANAUS_SOURCE) + "/test/oracle/mlp/init.safetensors");
  ASSERT_TRUE(succeeds(file));
  EXPECT_FALSE(file->tensors().empty());
  for (const TensorInfo &tensor : file->tensors()) {
    std::vector<float> values(tensor.elements);
    EXPECT_TRUE(succeeds(file->readFloats(tensor.name, values.data(), values.size())));
  }
}

} // namespace
