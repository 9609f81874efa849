// Numbers and tables as people read them, and strings as JSON wants them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace danaus::tool {

/// 118666 -> "118,666".
std::string thousands(uint64_t value);

/// A learning rate as short as it can be said with two digits: "1e-03", "5.5e-04".
std::string formatRate(double rate);

/// "0.6s", "75.2s", "4m05s", "2h10m".
std::string formatSeconds(double seconds);

/// A string with its quotes, escaped; bytes that are not UTF-8 are replaced.
std::string jsonString(const std::string &text);

/// Columns aligned by their widest cell, three spaces apart, no trailing blanks.
class Table {
public:
  enum Align { Left, Right };
  explicit Table(std::vector<Align> columns) : columns(std::move(columns)) {}
  /// Missing cells at the end are empty.
  void row(std::vector<std::string> cells) { rows.push_back(std::move(cells)); }
  std::string text() const;

private:
  std::vector<Align> columns;
  std::vector<std::vector<std::string>> rows;
};

} // namespace danaus::tool
