// A folder of its own for one test, removed at its end; and shorthands for files in it.
#pragma once

#include "runtime/base/File.h"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>

namespace danaus::test {

class TempFolder {
public:
  TempFolder() {
    std::string pattern = ::testing::TempDir() + "danaus-XXXXXX";
    folder = ::mkdtemp(pattern.data()) ? pattern : std::string();
    EXPECT_FALSE(folder.empty());
  }
  ~TempFolder() { (void)removeTree(folder); }
  TempFolder(const TempFolder &) = delete;

  const std::string &path() const { return folder; }
  std::string operator/(const std::string &name) const { return joinPath(folder, name); }

private:
  std::string folder;
};

inline std::string readText(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void writeText(const std::string &path, const std::string &content) {
  std::ofstream(path, std::ios::binary) << content;
}

/// Succeeds when `result` failed with this code and a message that contains `part`.
template <typename T>
::testing::AssertionResult failsWith(const T &result, ExitCode code, const std::string &part) {
  if (result)
    return ::testing::AssertionFailure() << "succeeded";
  if (result.error().code() != code || result.error().message().find(part) == std::string::npos)
    return ::testing::AssertionFailure()
           << "code " << int(result.error().code()) << ": " << result.error().message();
  return ::testing::AssertionSuccess();
}

/// For ASSERT_TRUE(succeeds(...)): shows the message.
template <typename T>::testing::AssertionResult succeeds(const T &result) {
  if (result)
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().message();
}

} // namespace danaus::test
