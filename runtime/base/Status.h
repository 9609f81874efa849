// Errors of the runtime as values: what went wrong, and the exit code that the program ends with.
// Nothing in the runtime throws across a room's wall or calls exit() below main. Every level adds
// what it was doing: "while loading kernel monarch_3 of mlp.dnb: ...".
#pragma once

#include <cassert>
#include <cstdarg>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace danaus {

/// The exit codes of the programs: part of the contract with users.
enum class ExitCode : int {
  Done = 0,
  Internal = 1,
  Usage = 2,
  SpecInvalid = 3,
  DataInvalid = 4,
  CheckpointInvalid = 5, ///< also a model binary that is not whole
  DeviceUnavailable = 6,
  PeerFailed = 7,
  Diverged = 8, ///< NaN or Inf; nothing was overwritten
  IoError = 9,  ///< disk full, no permission
  Stopped = 75, ///< on request, checkpoint written
};

/// One failure: a message for a person (what, where, what to do) and the exit code it leads to.
class [[nodiscard]] Error {
public:
  Error(ExitCode code, std::string message) : kind(code), text(std::move(message)) {}

  ExitCode code() const { return kind; }
  const std::string &message() const { return text; }

  /// Puts "while <what>: " before the message.
  Error during(const std::string &what) && {
    text = "while " + what + ": " + text;
    return std::move(*this);
  }

private:
  ExitCode kind;
  std::string text;
};

/// A value or the Error that stands in its place.
template <typename T> class [[nodiscard]] Expected {
public:
  Expected(T value) : content(std::move(value)) {}
  Expected(Error error) : content(std::move(error)) {}

  explicit operator bool() const { return std::holds_alternative<T>(content); }
  T &operator*() { return value(); }
  const T &operator*() const { return value(); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }
  T &value() {
    assert(*this && "value() of an Expected that holds an error");
    return std::get<T>(content);
  }
  const T &value() const {
    assert(*this && "value() of an Expected that holds an error");
    return std::get<T>(content);
  }
  const Error &error() const { return std::get<Error>(content); }
  Error takeError() { return std::move(std::get<Error>(content)); }

private:
  std::variant<T, Error> content;
};

/// Success or an Error.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Error error) : content(std::move(error)) {}
  static Status ok() { return {}; }

  explicit operator bool() const { return !content; }
  const Error &error() const { return *content; }
  Error takeError() { return std::move(*content); }

private:
  std::optional<Error> content;
};

/// printf into a std::string; messages are built with it.
[[gnu::format(printf, 1, 2)]] inline std::string format(const char *pattern, ...) {
  va_list args, again;
  va_start(args, pattern);
  va_copy(again, args);
  int length = std::vsnprintf(nullptr, 0, pattern, args);
  va_end(args);
  std::string text(length > 0 ? size_t(length) : 0, '\0');
  if (length > 0)
    std::vsnprintf(text.data(), text.size() + 1, pattern, again);
  va_end(again);
  return text;
}

} // namespace danaus
