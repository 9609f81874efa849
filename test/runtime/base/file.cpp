// Files: atomic replacement, what is left after a failure, and the wording of errors.
#include "runtime/base/AtomicFile.h"
#include "runtime/base/Checksum.h"
#include "test/runtime/support/TempFolder.h"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace danaus;
using namespace danaus::test;

namespace {

size_t filesIn(const std::string &folder) {
  return size_t(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(AtomicFile, ReplacesTheWholeContent) {
  TempFolder folder;
  writeText(folder / "a", "a much longer old content");
  ASSERT_TRUE(succeeds(writeFileAtomically(folder / "a", "new")));
  EXPECT_EQ(readText(folder / "a"), "new");
  EXPECT_EQ(filesIn(folder.path()), 1u);
}

TEST(AtomicFile, UncommittedLeavesOldContentAndNothingElse) {
  TempFolder folder;
  writeText(folder / "a", "old");
  {
    Expected<AtomicFile> file = AtomicFile::create(folder / "a");
    ASSERT_TRUE(succeeds(file));
    ASSERT_TRUE(succeeds(file->write("half")));
    EXPECT_EQ(filesIn(folder.path()), 2u);
  }
  EXPECT_EQ(readText(folder / "a"), "old");
  EXPECT_EQ(filesIn(folder.path()), 1u);
}

TEST(AtomicFile, ObeysUmask) {
  TempFolder folder;
  mode_t before = ::umask(027);
  EXPECT_TRUE(succeeds(writeFileAtomically(folder / "a", "x")));
  ::umask(before);
  struct stat info;
  ASSERT_EQ(::stat((folder / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST(AtomicFile, PassesOverALeftTemporaryFile) {
  TempFolder folder;
  std::string left = folder / ("a.tmp-" + std::to_string(::getpid()));
  writeText(left, "of a killed process");
  EXPECT_TRUE(succeeds(writeFileAtomically(folder / "a", "x")));
  EXPECT_EQ(readText(left), "of a killed process");
}

TEST(AtomicFile, MissingFolderIsAnIoErrorWithThePath) {
  TempFolder folder;
  Status status = writeFileAtomically(folder / "no/such/a", "x");
  EXPECT_TRUE(failsWith(status, ExitCode::IoError, "no/such/a': No such file or directory (check"));
}

TEST(AtomicFile, FullDiskRemovesTheTemporaryFile) {
  TempFolder folder;
  writeText(folder / "a", "old");
  pid_t child = ::fork();
  if (child == 0) { // a limit on the size of files stands in for a full disk
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Status status = writeFileAtomically(folder / "a", std::string(100000, 'x'));
    ::_exit(!status && status.error().code() == ExitCode::IoError &&
                    status.error().message().find("ulimit -f") != std::string::npos
                ? 0
                : 1);
  }
  int result = 0;
  ASSERT_EQ(::waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(readText(folder / "a"), "old");
  EXPECT_EQ(filesIn(folder.path()), 1u);
}

TEST(File, FullDeviceIsAnIoErrorWithAHint) {
  FileDescriptor full(::open("/dev/full", O_WRONLY));
  ASSERT_TRUE(full.valid());
  EXPECT_TRUE(failsWith(writeAll(full.get(), "x", "a.txt"), ExitCode::IoError,
                        "cannot write 'a.txt': No space left on device (free some space"));
}

TEST(File, HintsForPermissionAndReadOnly) {
  EXPECT_NE(ioError("create", "p", EACCES).message().find("owner and permissions"),
            std::string::npos);
  EXPECT_NE(ioError("create", "p", EROFS).message().find("read-only"), std::string::npos);
}

TEST(File, ReadStopsAtTheLimit) {
  TempFolder folder;
  writeText(folder / "a", std::string(100, 'x'));
  Expected<std::string> whole = readFile(folder / "a", 100);
  ASSERT_TRUE(succeeds(whole));
  EXPECT_EQ(whole->size(), 100u);
  EXPECT_TRUE(failsWith(readFile(folder / "a", 99, ExitCode::SpecInvalid), ExitCode::SpecInvalid,
                        "larger than the 99 bytes"));
}

TEST(File, ReadingAFolderOrNothing) {
  TempFolder folder;
  EXPECT_TRUE(failsWith(readFile(folder.path(), 10), ExitCode::IoError, "Is a directory"));
  EXPECT_TRUE(failsWith(readFile(folder / "none", 10), ExitCode::IoError, "No such file"));
}

TEST(File, ReadExactlyNamesBothSizes) {
  TempFolder folder;
  writeText(folder / "a", "12345");
  Expected<FileDescriptor> file = openForReading(folder / "a");
  ASSERT_TRUE(succeeds(file));
  char bytes[8];
  EXPECT_TRUE(
      failsWith(readExactly(file->get(), bytes, 8, 2, folder / "a", ExitCode::CheckpointInvalid),
                ExitCode::CheckpointInvalid, "ends after 5 bytes, 10 expected"));
}

TEST(File, FolderWhereAFileStands) {
  TempFolder folder;
  writeText(folder / "a", "x");
  EXPECT_TRUE(failsWith(makeFolders(folder / "a"), ExitCode::IoError, "Not a directory"));
  EXPECT_TRUE(failsWith(makeFolders(folder / "a/b"), ExitCode::IoError, "Not a directory"));
  EXPECT_TRUE(succeeds(makeFolders(folder / "b/c/d")));
  EXPECT_TRUE(isFolder(folder / "b/c/d"));
}

TEST(Checksum, KnownAnswers) {
  // The check values of the catalogue of parametrised CRC algorithms.
  EXPECT_EQ(crc32("123456789", 9), 0xCBF43926u);
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283u);
  EXPECT_EQ(crc32("56789", 5, crc32("1234", 4)), 0xCBF43926u);
  EXPECT_EQ(crc32c("56789", 5, crc32c("1234", 4)), 0xE3069283u);
}

TEST(Checksum, OfAFile) {
  TempFolder folder;
  writeText(folder / "a", "123456789");
  Expected<FileChecksum> sum = checksumFile(folder / "a");
  ASSERT_TRUE(succeeds(sum));
  EXPECT_EQ(sum->bytes, 9u);
  EXPECT_EQ(sum->crc32, 0xCBF43926u);
}

} // namespace
