// The nearest right name for a misspelt one: used by the spec reader and by the command lines of
// the programs. Header-only and plain C++: it may be included anywhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danaus {

/// How many insertions, deletions, replacements and swaps of neighbours lead from `a` to `b`
/// (optimal string alignment; letters are compared without case). O(|a| |b|).
inline size_t editDistance(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; };
  // Three rows of the table: row i depends on rows i - 1 and, for swaps, i - 2.
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), size_t(0));
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t differs = lower(a[i - 1]) != lower(b[j - 1]);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + differs});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1]))
        current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

/// The name of `known` (a range of things that convert to std::string_view) nearest to `written`;
/// none where even the nearest differs in more than a third of its letters (but one typing error in
/// a name of two letters is still near). Of equally near names the first in the range is taken.
template <typename Range>
std::optional<std::string> nearestName(std::string_view written, const Range &known) {
  constexpr size_t longest = 64; // no key is longer; keeps hostile input cheap
  if (written.empty() || written.size() > longest)
    return std::nullopt;
  std::optional<std::string> best;
  size_t bestDistance = 0;
  for (const auto &entry : known) {
    std::string_view name(entry);
    size_t allowed = std::max<size_t>(1, std::max(name.size(), written.size()) / 3);
    size_t distance = editDistance(written, name);
    if (distance > allowed || distance >= name.size() || (best && distance >= bestDistance))
      continue;
    best = std::string(name);
    bestDistance = distance;
  }
  return best;
}

} // namespace danaus
