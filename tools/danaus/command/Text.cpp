// See Text.h.
#include "tools/danaus/command/Text.h"

#include "runtime/base/Status.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace danaus::tool {

std::string thousands(uint64_t value) {
  std::string digits = std::to_string(value);
  for (size_t place = digits.size(); place > 3; place -= 3)
    digits.insert(place - 3, ",");
  return digits;
}

std::string formatRate(double rate) {
  std::string shortest = format("%.0e", rate);
  bool exact = std::abs(std::stod(shortest) - rate) <= 1e-6 * std::abs(rate);
  return exact ? shortest : format("%.1e", rate);
}

std::string formatSeconds(double seconds) {
  if (!(seconds < 100))
    seconds = std::round(std::min(seconds, 1e9));
  unsigned long whole = seconds > 0 ? (unsigned long)seconds : 0;
  if (whole < 100)
    return format("%.1fs", std::max(seconds, 0.0));
  if (whole < 3600)
    return format("%lum%02lus", whole / 60, whole % 60);
  return format("%luh%02lum", whole / 3600, whole / 60 % 60);
}

std::string jsonString(const std::string &text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string Table::text() const {
  std::vector<size_t> widths(columns.size());
  for (const std::vector<std::string> &cells : rows)
    for (size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], cells[i].size());
  std::string text;
  for (const std::vector<std::string> &cells : rows) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      std::string blanks(widths[i] - cells[i].size(), ' ');
      line += i ? "   " : "";
      line += columns[i] == Left ? cells[i] + blanks : blanks + cells[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

} // namespace danaus::tool
