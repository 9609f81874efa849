// The container: what is written is read back, and no damaged file is accepted or crashes.
#include "test/runtime/plan/TestModel.h"

#include "runtime/plan/Container.h"

#include <csignal>
#include <gtest/gtest.h>
#include <sys/resource.h>

using namespace danaus;
using namespace danaus::test;

namespace {

const Bytes Code(100, std::byte('c'));

class ModelFileTest : public testing::Test {
protected:
  /// The message of the error that opening these bytes gives; empty when they are accepted.
  std::string messageOf(const Bytes &bytes) {
    writeBytes(path, bytes);
    Expected<ModelFile> file = ModelFile::open(path);
    if (file)
      return "";
    EXPECT_EQ(file.error().code(), ExitCode::CheckpointInvalid);
    EXPECT_NE(file.error().message().find(path), std::string::npos) << file.error().message();
    return file.error().message();
  }

  void expectMessage(const Bytes &bytes, const std::string &part) {
    std::string message = messageOf(bytes);
    EXPECT_NE(message.find(part), std::string::npos)
        << "'" << message << "' lacks '" << part << "'";
    EXPECT_NE(message.find("danausc"), std::string::npos) << message;
  }

  void patch32(Bytes &bytes, size_t offset, uint32_t value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
    reseal(bytes);
  }

  TemporaryFolder folder;
  std::string path = folder.file("model.dnb");
  Bytes valid = makeContainer(makeModel(), Code);
};

TEST_F(ModelFileTest, ReadsBackWhatWasWritten) {
  Bytes table = pack(makeModel());
  Section sections[] = {{7, SectionKind::CpuSharedObject, Code}, // out of order on purpose
                        {1, SectionKind::CpuSharedObject, Code},
                        {0, SectionKind::ModelTable, table}};
  ASSERT_TRUE(writeModelFile(path, sections));
  EXPECT_EQ(folder.entries(), 1u);
  Expected<ModelFile> file = ModelFile::open(path);
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->model().name()->str(), "small");
  EXPECT_TRUE(std::ranges::equal(file->section(7), Code));
  EXPECT_EQ(uintptr_t(file->section(7).data()) % SectionAlignment, 0u);
  EXPECT_TRUE(file->section(99).empty());
  EXPECT_EQ(file->fileBytes(), readBytes(path).size());
}

TEST_F(ModelFileTest, OfBytesInMemoryIsCheckedAsAFileIs) {
  Expected<ModelFile> file = ModelFile::fromBytes(valid, "model.dnb of rank 0");
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->model().name()->str(), "small");
  EXPECT_EQ(file->path(), "model.dnb of rank 0");
  EXPECT_TRUE(std::ranges::equal(file->bytes(), valid));
  Bytes damaged = valid;
  damaged.back() ^= std::byte(1);
  for (const Bytes &bytes : {damaged, Bytes(valid.begin(), valid.end() - 1), Bytes()}) {
    Expected<ModelFile> refused = ModelFile::fromBytes(bytes, "model.dnb of rank 0");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("model.dnb of rank 0"), std::string::npos);
  }
}

TEST_F(ModelFileTest, BytesDependOnTheSectionsAlone) {
  Bytes table = pack(makeModel());
  Section forward[] = {{0, SectionKind::ModelTable, table},
                       {1, SectionKind::CpuSharedObject, Code}};
  Section backward[] = {forward[1], forward[0]};
  ASSERT_TRUE(writeModelFile(path, forward));
  ASSERT_TRUE(writeModelFile(folder.file("other.dnb"), backward));
  EXPECT_EQ(readBytes(path), readBytes(folder.file("other.dnb")));
  EXPECT_EQ(readBytes(path), valid);
}

TEST_F(ModelFileTest, TruncatedAtEveryLength) {
  for (size_t length = 0; length < valid.size(); ++length)
    ASSERT_NE(messageOf(Bytes(valid.begin(), valid.begin() + ptrdiff_t(length))), "") << length;
}

TEST_F(ModelFileTest, EveryByteChanged) {
  for (size_t i = 0; i < valid.size(); ++i)
    for (unsigned change : {0x01, 0x80, 0xff}) {
      Bytes damaged = valid;
      damaged[i] ^= std::byte(change);
      ASSERT_NE(messageOf(damaged), "") << "byte " << i;
    }
}

// With checksums made right, the verifier and the validation stand alone: they may accept a change
// that means something else, but must not crash.
TEST_F(ModelFileTest, EveryByteOfTheTableChangedAndResealed) {
  size_t accepted = 0, refused = 0, misaligned = 0;
  for (size_t i = sizeof(container::Header); i < valid.size() - Code.size(); ++i)
    for (unsigned change : {0x01, 0x80, 0xff}) {
      Bytes damaged = valid;
      damaged[i] ^= std::byte(change);
      reseal(damaged);
      std::string message = messageOf(damaged);
      ++(message.empty() ? accepted : refused);
      misaligned += message.find("misaligned numbers") != std::string::npos;
    }
  EXPECT_GT(refused, accepted);
  EXPECT_GT(misaligned, 0u);
}

TEST_F(ModelFileTest, DamagedContainersSayWhatIsWrong) {
  expectMessage({}, "empty");
  expectMessage(Bytes(100, std::byte('x')), "not a model file");
  expectMessage(Bytes(valid.begin(), valid.begin() + 20), "truncated: the header takes 32 bytes");
  expectMessage(Bytes(valid.begin(), valid.begin() + 100), "bytes, file has 100");
  Bytes longer = valid;
  longer.resize(valid.size() + 5);
  expectMessage(longer, "too long");
  Bytes asText = valid;
  asText.erase(asText.begin() + 4); // CR LF became LF
  expectMessage(asText, "copied as text");
}

TEST_F(ModelFileTest, TruncationNamesBothSizes) {
  Bytes large = makeContainer(makeModel(), Bytes(20'000, std::byte('c')));
  large.resize(100);
  std::string message = messageOf(large);
  EXPECT_NE(message.find("truncated: header says 2"), std::string::npos) << message;
  EXPECT_NE(message.find(",", message.find("says")), std::string::npos) << message;
}

TEST_F(ModelFileTest, WrongHeadersWithRightChecksums) {
  Bytes bytes = valid;
  patch32(bytes, 8, FormatVersion + 1);
  expectMessage(bytes, "format version");
  bytes = valid;
  patch32(bytes, 28, 1);
  expectMessage(bytes, "reserved field of the header");
  bytes = valid;
  uint32_t none = 0;
  std::memcpy(bytes.data() + 12, &none, 4);
  expectMessage(bytes, "header says 0 sections");
  uint32_t many = 200;
  std::memcpy(bytes.data() + 12, &many, 4);
  bytes.resize(3000);
  uint64_t size = bytes.size();
  std::memcpy(bytes.data() + 16, &size, 8);
  expectMessage(bytes, "200 sections do not fit");
}

TEST_F(ModelFileTest, WrongTablesWithRightChecksums) {
  constexpr size_t FirstRow = sizeof(container::Header), SecondRow = FirstRow + 32;
  struct Case {
    size_t offset;
    uint32_t value;
    const char *message;
  };
  for (const Case &wrong :
       {Case{FirstRow, 5, "ids must ascend"}, Case{SecondRow + 4, 9, "unknown kind 9"},
        Case{SecondRow + 4, 1, "2 model tables"}, Case{FirstRow + 4, 2, "0 model tables"},
        Case{SecondRow + 8, 128, "overlaps another section"},
        Case{SecondRow + 16, 1 << 30, "runs past the end"},
        Case{SecondRow + 16, 99, "bytes follow the last section"},
        Case{SecondRow + 28, 1, "reserved field of the section table"}}) {
    Bytes bytes = valid;
    patch32(bytes, wrong.offset, wrong.value);
    expectMessage(bytes, wrong.message);
  }
}

TEST_F(ModelFileTest, TablesThatAreNoFlatBuffer) {
  Bytes bytes = valid;
  bytes[132] = std::byte('X'); // the file identifier
  reseal(bytes);
  expectMessage(bytes, "not well formed");
  Bytes tiny(8);
  Section sections[] = {{0, SectionKind::ModelTable, tiny}};
  ASSERT_TRUE(writeModelFile(path, sections));
  expectMessage(readBytes(path), "cannot have 8 bytes");
}

TEST_F(ModelFileTest, WhatIsNoFile) {
  Expected<ModelFile> missing = ModelFile::open(folder.file("nowhere.dnb"));
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("No such file"), std::string::npos);
  Expected<ModelFile> directory = ModelFile::open(folder.file(""));
  ASSERT_FALSE(directory);
  EXPECT_NE(directory.error().message().find("not a regular file"), std::string::npos);
}

TEST_F(ModelFileTest, WriterRefusesSectionsThatMakeNoModel) {
  Section twice[] = {{1, SectionKind::ModelTable, Code}, {1, SectionKind::CpuSharedObject, Code}};
  EXPECT_NE(writeModelFile(path, twice).error().message().find("the id 1"), std::string::npos);
  Section none[] = {{1, SectionKind::CpuSharedObject, Code}};
  EXPECT_NE(writeModelFile(path, none).error().message().find("not 0"), std::string::npos);
  std::vector<Section> many = {{0, SectionKind::ModelTable, Code}};
  for (uint32_t id = 1; id <= MaxSections; ++id)
    many.push_back({id, SectionKind::CpuSharedObject, Code});
  EXPECT_NE(writeModelFile(path, many).error().message().find("257 sections"), std::string::npos);
  EXPECT_EQ(folder.entries(), 0u);
}

TEST_F(ModelFileTest, WriteErrorsAreIoErrors) {
  Section sections[] = {{0, SectionKind::ModelTable, Code}};
  Status nowhere = writeModelFile(folder.file("no/such/folder.dnb"), sections);
  EXPECT_EQ(nowhere.error().code(), ExitCode::IoError);
  EXPECT_NE(nowhere.error().message().find("No such file"), std::string::npos);
  Status full = writeModelFile("/dev/full", sections);
  EXPECT_EQ(full.error().code(), ExitCode::IoError);
  EXPECT_NE(full.error().message().find("No space left"), std::string::npos);
}

TEST_F(ModelFileTest, FailedWriteLeavesTheOldFileAndNothingElse) {
  writeBytes(path, valid);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto *handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = {50, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  Section sections[] = {{0, SectionKind::ModelTable, Code}};
  Status status = writeModelFile(path, sections);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message().find("File too large"), std::string::npos);
  EXPECT_EQ(folder.entries(), 1u);
  EXPECT_EQ(readBytes(path), valid);
}

} // namespace
