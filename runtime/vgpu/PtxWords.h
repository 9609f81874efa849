// PTX as words, comments left out: what its parser reads (ParsePtx.cpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace danaus::vgpu {

struct PtxWord {
  std::string_view text; ///< of the text that was split, which must outlive it
  unsigned line;         ///< from 1
};

/// What names and numbers consist of: letters, digits and _ $ % .
bool isWordCharacter(char c);

/// Words are names with their dots, numbers, quoted texts, and single signs.
std::vector<PtxWord> splitIntoWords(const std::string &text);

/// "ld.global.f32" as "ld", "global" and "f32".
std::vector<std::string> splitAtDots(std::string_view text);

} // namespace danaus::vgpu
