// The line of progress on terminals of all kinds: a pseudo-terminal stands in for the standard
// error.
#include "tools/danaus/command/Progress.h"

#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

using namespace danaus::tool;

namespace {

struct ProgressTest : ::testing::Test {
  void SetUp() override {
    ::setenv("TERM", "xterm", 1);
    ::unsetenv("NO_COLOR");
    master = ::posix_openpt(O_RDWR | O_NOCTTY);
    ASSERT_GE(master, 0);
    ASSERT_EQ(::grantpt(master), 0);
    ASSERT_EQ(::unlockpt(master), 0);
    terminal = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
    ASSERT_GE(terminal, 0);
    ::fcntl(master, F_SETFL, O_NONBLOCK);
    setWidth(80);
  }
  void TearDown() override {
    ::close(terminal);
    ::close(master);
  }

  void setWidth(unsigned short columns) {
    winsize size = {24, columns, 0, 0};
    ASSERT_EQ(::ioctl(terminal, TIOCSWINSZ, &size), 0);
  }

  /// What a live line, shown on the terminal and then cleared, wrote.
  std::string shown(const std::string &text, ProgressStyle style = ProgressStyle::Live) {
    int standard = ::dup(STDERR_FILENO);
    ::dup2(terminal, STDERR_FILENO);
    ProgressLine line(style);
    line.show(text);
    line.clear();
    std::fputc(endMark, stderr);
    std::fflush(stderr);
    ::dup2(standard, STDERR_FILENO);
    ::close(standard);
    // The kernel hands it over piece by piece.
    std::string written;
    for (pollfd ready{master, POLLIN, 0}; !written.ends_with(endMark);) {
      char bytes[4096];
      ssize_t length = ::poll(&ready, 1, -1) == 1 ? ::read(master, bytes, sizeof(bytes)) : 0;
      if (length > 0)
        written.append(bytes, size_t(length));
    }
    written.pop_back();
    return written;
  }

  static constexpr char endMark = 1;
  int master = -1, terminal = -1;
};

constexpr char cleared[] = "\x1b[K\r\x1b[K";

TEST_F(ProgressTest, LiveOnATerminalOnly) {
  EXPECT_EQ(progressStyleOf(terminal), ProgressStyle::Live);
  int file = ::open("/dev/null", O_WRONLY);
  EXPECT_EQ(progressStyleOf(file), ProgressStyle::Plain);
  ::close(file);
}

TEST_F(ProgressTest, TerminalsThatCannotMoveTheirCursor) {
  ::setenv("TERM", "dumb", 1);
  EXPECT_EQ(progressStyleOf(terminal), ProgressStyle::Plain);
  ::unsetenv("TERM");
  EXPECT_EQ(progressStyleOf(terminal), ProgressStyle::Plain);
  std::string plain = shown("epoch 1", ProgressStyle::Plain);
  EXPECT_EQ(plain.find('\x1b'), std::string::npos);
  EXPECT_EQ(plain, "epoch 1\r\n");
}

TEST_F(ProgressTest, NoColor) {
  EXPECT_EQ(shown("epoch 1"), std::string("\r\x1b[2mepoch 1\x1b[0m") + cleared);
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(shown("epoch 1"), std::string("\repoch 1") + cleared);
  // Empty is as if it were not set.
  ::setenv("NO_COLOR", "", 1);
  EXPECT_EQ(shown("epoch 1"), std::string("\r\x1b[2mepoch 1\x1b[0m") + cleared);
}

TEST_F(ProgressTest, NarrowTerminals) {
  ::setenv("NO_COLOR", "1", 1);
  setWidth(8);
  EXPECT_EQ(shown("epoch 1/3 step 5"), std::string("\repoch 1") + cleared);
  setWidth(2);
  EXPECT_EQ(shown("epoch 1"), std::string("\re") + cleared);
  setWidth(5);
  EXPECT_EQ(shown("abc\xc3\xa4x"), std::string("\rabc") + cleared);
  setWidth(0); // unknown
  EXPECT_EQ(shown("epoch 1"), std::string("\repoch 1") + cleared);
}

} // namespace
