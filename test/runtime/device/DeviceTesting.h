// What the tests of devices share.
#pragma once

#include "runtime/device/Device.h"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace danaus::test {

inline std::vector<std::byte> readCode(const char *path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  auto *begin = reinterpret_cast<const std::byte *>(text.data());
  return {begin, begin + text.size()};
}

/// The value, or the end of the test program with the error's message.
template <typename T> T must(Expected<T> value) {
  if (!value) {
    ADD_FAILURE() << value.error().message();
    std::abort();
  }
  return std::move(*value);
}

inline std::unique_ptr<Device> makeDevice(const std::string &kind, unsigned threads = 0) {
  return must(builtinDevices().create(kind, {threads}));
}

inline std::span<int32_t> ints(Arena &arena, uint64_t offset, size_t count) {
  return {reinterpret_cast<int32_t *>(arena.host() + offset), count};
}

} // namespace danaus::test
