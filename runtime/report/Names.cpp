// Many names and numbers in little room.
#include "runtime/base/Status.h"
#include "runtime/report/Sections.h"

#include <set>

namespace danaus {

namespace {

bool isDigit(char character) { return character >= '0' && character <= '9'; }

/// Names that are the same but for a number between two dots, or at the end.
struct Family {
  std::string before, after;
  std::vector<uint64_t> numbers; ///< empty: a name without a number
};

Family familyOf(const std::string &name) {
  constexpr size_t mostDigits = 9;
  for (size_t begin = name.find('.'); begin != std::string::npos; begin = name.find('.', begin)) {
    size_t end = ++begin;
    while (end < name.size() && isDigit(name[end]))
      ++end;
    if (end > begin && end - begin <= mostDigits && (end == name.size() || name[end] == '.'))
      return {name.substr(0, begin), name.substr(end), {std::stoull(name.substr(begin, end))}};
  }
  return {name, "", {}};
}

void add(std::vector<Family> &families, const Family &one) {
  for (Family &known : families)
    if (known.before == one.before && known.after == one.after &&
        known.numbers.empty() == one.numbers.empty()) {
      known.numbers.insert(known.numbers.end(), one.numbers.begin(), one.numbers.end());
      return;
    }
  families.push_back(one);
}

} // namespace

std::string joinWords(const std::vector<std::string> &words, const char *separator) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : separator) + word;
  return text;
}

std::string lineText(const std::vector<uint64_t> &lines) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < lines.size();) {
    uint64_t first = lines[i], last = first;
    while (++i < lines.size() && lines[i] == last + 1)
      ++last;
    parts.push_back(std::to_string(first) + (first == last ? "" : "-" + std::to_string(last)));
  }
  return joinWords(parts, ", ");
}

std::string compactNames(const std::vector<std::string> &names, size_t most) {
  std::vector<Family> families;
  for (const std::string &name : names)
    add(families, familyOf(name));
  std::vector<std::string> parts;
  for (Family &family : families) {
    std::set<uint64_t> numbers(family.numbers.begin(), family.numbers.end());
    std::string range = lineText({numbers.begin(), numbers.end()});
    bool isList = range.find(',') != std::string::npos;
    parts.push_back(family.before + (isList ? "{" + range + "}" : range) + family.after);
  }
  size_t more = parts.size() > most + 1 ? parts.size() - most : 0;
  if (more)
    parts.resize(most);
  return joinWords(parts, ", ") + (more ? format(", %zu more", more) : "");
}

} // namespace danaus
