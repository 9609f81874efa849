// MD5 (RFC 1321): to tell whether a file is the published one. Guards against accidents, not
// against people.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace danaus {

class Md5 {
public:
  void add(const void *data, size_t size);
  /// 32 hexadecimal digits of all that was added; the object is spent.
  std::string finish();

private:
  void addBlock(const uint8_t *block);

  std::array<uint32_t, 4> state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  std::array<uint8_t, 64> rest{};
  uint64_t bytes = 0;
};

} // namespace danaus
