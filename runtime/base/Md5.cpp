// See Md5.h; names and numbers of sections are those of RFC 1321.
#include "runtime/base/Md5.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace danaus {

/// floor(2^32 |sin(i + 1)|), section 3.4.
static constexpr uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static constexpr int shifts[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

void Md5::addBlock(const uint8_t *block) {
  uint32_t words[16];
  for (int word = 0; word < 16; ++word)
    words[word] = uint32_t(block[4 * word]) | uint32_t(block[4 * word + 1]) << 8 |
                  uint32_t(block[4 * word + 2]) << 16 | uint32_t(block[4 * word + 3]) << 24;
  auto [a, b, c, d] = state;
  for (int step = 0; step < 64; ++step) {
    int round = step / 16;
    uint32_t mixed = round == 0   ? (b & c) | (~b & d)
                     : round == 1 ? (b & d) | (c & ~d)
                     : round == 2 ? b ^ c ^ d
                                  : c ^ (b | ~d);
    constexpr int factors[4] = {1, 5, 3, 7}, starts[4] = {0, 1, 5, 0};
    uint32_t sum = a + mixed + words[(step * factors[round] + starts[round]) % 16] + sines[step];
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, shifts[round][step % 4]);
  }
  state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d};
}

void Md5::add(const void *data, size_t size) {
  const uint8_t *from = static_cast<const uint8_t *>(data);
  while (size > 0) {
    size_t held = bytes % 64;
    if (held == 0 && size >= 64) {
      addBlock(from);
      from += 64, size -= 64, bytes += 64;
      continue;
    }
    size_t taken = std::min(64 - held, size);
    std::memcpy(rest.data() + held, from, taken);
    from += taken, size -= taken, bytes += taken;
    if (bytes % 64 == 0)
      addBlock(rest.data());
  }
}

std::string Md5::finish() {
  uint64_t bits = bytes * 8;
  uint8_t padding[72] = {0x80}, length[8];
  for (int byte = 0; byte < 8; ++byte)
    length[byte] = uint8_t(bits >> (8 * byte));
  add(padding, 1 + (119 - bytes % 64) % 64);
  add(length, 8);
  std::string text;
  for (uint32_t word : state)
    for (int byte = 0; byte < 4; ++byte) {
      uint8_t value = uint8_t(word >> (8 * byte));
      text += {"0123456789abcdef"[value >> 4], "0123456789abcdef"[value & 15]};
    }
  return text;
}

} // namespace danaus
