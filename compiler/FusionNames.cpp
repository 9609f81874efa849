// See FusionNames.h.
#include "compiler/FusionNames.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

#include <set>

using llvm::StringRef;
using namespace danaus;

namespace {

/// A name around its first number that stands behind a dot or an underscore and before a dot or the
/// end; no number: all of it is `before`.
struct Parts {
  std::string before, after;
  std::optional<unsigned long> number;
};

Parts partsOf(StringRef name) {
  for (size_t i = 1; i < name.size(); ++i) {
    if (!llvm::isDigit(name[i]) || (name[i - 1] != '.' && name[i - 1] != '_'))
      continue;
    size_t end = std::min(name.find_first_not_of("0123456789", i), name.size());
    unsigned long number = 0;
    if ((end == name.size() || name[end] == '.') && !name.slice(i, end).getAsInteger(10, number))
      return {name.take_front(i).str(), name.drop_front(end).str(), number};
  }
  return {name.str(), "", std::nullopt};
}

/// "0..3,5".
std::string ranges(const std::set<unsigned long> &numbers) {
  std::string text;
  for (auto at = numbers.begin(); at != numbers.end();) {
    unsigned long first = *at, last = first;
    while (++at != numbers.end() && *at == last + 1)
      last = *at;
    text += (text.empty() ? "" : ",") + std::to_string(first) +
            (first == last ? "" : ".." + std::to_string(last));
  }
  return text;
}

} // namespace

std::vector<std::string> danaus::foldNumbers(const std::vector<std::string> &names) {
  llvm::MapVector<std::pair<std::string, std::string>, std::set<unsigned long>,
                  std::map<std::pair<std::string, std::string>, unsigned>>
      folded;
  for (const std::string &name : names) {
    Parts parts = partsOf(name);
    auto &numbers = folded[{parts.before, parts.after}];
    if (parts.number)
      numbers.insert(*parts.number);
  }
  std::vector<std::string> out;
  for (const auto &[around, numbers] : folded)
    out.push_back(around.first + ranges(numbers) + around.second);
  return out;
}

std::string danaus::foldNames(const std::vector<std::string> &names) {
  std::vector<std::string> folded = foldNumbers(names), groups;
  // "blocks.0..7." of "blocks.0..7.attn.q".
  auto headOf = [](StringRef name) {
    size_t at = 0;
    while ((at = name.find('.', at)) != StringRef::npos) {
      size_t end = name.find_first_not_of("0123456789,.", at);
      if (end != StringRef::npos && end > at + 1 && name[end - 1] == '.')
        return name.take_front(end);
      ++at;
    }
    return StringRef();
  };
  for (size_t i = 0; i < folded.size();) {
    StringRef head = headOf(folded[i]);
    size_t end = i + 1;
    while (!head.empty() && end < folded.size() && headOf(folded[end]) == head)
      ++end;
    if (end == i + 1) {
      groups.push_back(folded[i]);
    } else {
      llvm::SmallVector<StringRef> tails;
      for (size_t each = i; each < end; ++each)
        tails.push_back(StringRef(folded[each]).drop_front(head.size()));
      groups.push_back(head.str() + "{" + llvm::join(tails, ", ") + "}");
    }
    i = end;
  }
  return llvm::join(groups, ", ");
}

std::string danaus::foldRepeats(const std::vector<std::string> &words) {
  std::vector<std::string> out;
  auto repeats = [&](size_t at, size_t length) {
    size_t count = 1;
    while (at + (count + 1) * length <= words.size() &&
           std::equal(words.begin() + long(at), words.begin() + long(at + length),
                      words.begin() + long(at + count * length)))
      ++count;
    return count;
  };
  for (size_t at = 0; at < words.size();) {
    size_t length = 1, count = repeats(at, 1);
    for (size_t longer = 2; longer <= words.size() / 2 && longer <= 16; ++longer)
      if (size_t own = repeats(at, longer); own > 1 && own * longer > count * length)
        length = longer, count = own;
    std::string stretch =
        llvm::join(words.begin() + long(at), words.begin() + long(at + length), ", ");
    if (count > 1)
      stretch = (length > 1 ? "(" + stretch + ")" : stretch) + " x" + std::to_string(count);
    out.push_back(stretch);
    at += count * length;
  }
  return llvm::join(out, ", ");
}
