// HTML pages without network: head and style, rows of tables, numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace danaus {

/// A whole page; `title` is text, `body` is HTML.
std::string htmlPage(const std::string &title, const std::string &body);

/// A row of cells (text) with `tag` td or th; `attributes` of the row begin with a blank.
std::string htmlRow(const std::vector<std::string> &cells, const char *tag,
                    const char *attributes = "");

/// 1,234,567.
std::string grouped(uint64_t value);
/// 62.4 MiB.
std::string formatMebibytes(uint64_t bytes);

} // namespace danaus
