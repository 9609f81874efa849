// FNV-1a with 128 bits: names cache entries, guards against nobody.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace danaus {

class Hash {
public:
  /// Adds a text with its length, so that ("ab", "c") and ("a", "bc") differ.
  void add(std::string_view text) {
    mix(std::to_string(text.size()) + ":");
    mix(text);
  }
  /// 32 hexadecimal digits.
  std::string hex() const {
    return format("%016llx%016llx", (unsigned long long)(state >> 64), (unsigned long long)state);
  }

private:
  void mix(std::string_view text) {
    for (unsigned char byte : text)
      state = (state ^ byte) * prime;
  }
  using Word = unsigned __int128;
  static constexpr Word prime = (Word(1) << 88) + 0x13b;
  Word state = (Word(0x6c62272e07bb0142) << 64) + 0x62b821756295c58d;
};

} // namespace danaus
