// See Progress.h.
#include "tools/danaus/command/Progress.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace danaus::tool {

static std::string_view environment(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

ProgressStyle progressStyleOf(int descriptor) {
  bool canMove = environment("TERM") != "dumb" && environment("TERM") != "";
  return ::isatty(descriptor) && canMove ? ProgressStyle::Live : ProgressStyle::Plain;
}

/// Asked every time: windows change their size.
static size_t terminalWidth() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
    return size.ws_col;
  return 80;
}

/// At most so many bytes, and no part of a UTF-8 character at the end.
static std::string cutTo(const std::string &text, size_t most) {
  if (text.size() <= most)
    return text;
  while (most > 0 && (uint8_t(text[most]) & 0xc0) == 0x80)
    --most;
  return text.substr(0, most);
}

ProgressLine::ProgressLine(ProgressStyle style)
    : style(style), interval(style == ProgressStyle::Live ? std::chrono::milliseconds(100)
                                                          : std::chrono::seconds(5)),
      next(Clock::now() + interval) {}

bool ProgressLine::due() {
  if (style == ProgressStyle::Off || Clock::now() < next)
    return false;
  next = Clock::now() + interval;
  return true;
}

void ProgressLine::show(const std::string &text) {
  if (style == ProgressStyle::Plain) {
    std::fprintf(stderr, "%s\n", text.c_str());
  } else if (style == ProgressStyle::Live) {
    // One column stays free: a full last column wraps on some terminals.
    std::string line = cutTo(text, terminalWidth() - 1);
    bool color = environment("NO_COLOR").empty();
    std::fprintf(stderr, "\r%s%s%s\x1b[K", color ? "\x1b[2m" : "", line.c_str(),
                 color ? "\x1b[0m" : "");
    std::fflush(stderr);
    visible = true;
  }
}

void ProgressLine::clear() {
  if (!visible)
    return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  visible = false;
}

} // namespace danaus::tool
