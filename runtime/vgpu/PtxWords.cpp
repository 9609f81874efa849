// See PtxWords.h.
#include "runtime/vgpu/PtxWords.h"

#include <algorithm>
#include <cctype>

namespace danaus::vgpu {

bool isWordCharacter(char c) {
  return std::isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.';
}

std::vector<PtxWord> splitIntoWords(const std::string &text) {
  std::vector<PtxWord> words;
  unsigned line = 1;
  for (size_t i = 0; i < text.size();) {
    char c = text[i];
    size_t begin = i;
    if (c == '\n') {
      ++line;
      ++i;
    } else if (std::isspace((unsigned char)c) || c == '\0') {
      ++i;
    } else if (text.compare(i, 2, "//") == 0) {
      i = std::min(text.find('\n', i), text.size());
    } else if (text.compare(i, 2, "/*") == 0) {
      i = std::min(text.find("*/", i), text.size() - 2) + 2;
      line += unsigned(std::count(text.begin() + long(begin), text.begin() + long(i), '\n'));
    } else if (c == '"') {
      i = std::min(text.find('"', i + 1), text.size() - 1) + 1;
      words.push_back({std::string_view(text).substr(begin, i - begin), line});
    } else if (isWordCharacter(c)) {
      while (i < text.size() && isWordCharacter(text[i]))
        ++i;
      words.push_back({std::string_view(text).substr(begin, i - begin), line});
    } else {
      words.push_back({std::string_view(text).substr(i++, 1), line});
    }
  }
  return words;
}

std::vector<std::string> splitAtDots(std::string_view text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find('.', begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

} // namespace danaus::vgpu
