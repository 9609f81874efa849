// HTML pages without network: head and style, rows of tables, numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace danaus {

/// & < > " ' as entities.
std::string escapeHtml(const std::string &text);

/// A whole page; `title` is text, `body` is HTML. Of the network it asks for nothing, and the
/// browser is told to allow nothing. `chartData`: JSON for the charts' script, empty: no script.
std::string htmlPage(const std::string &title, const std::string &body,
                     const std::string &chartData = "");

/// A cell with more than text in it.
struct HtmlCell {
  std::string text;
  bool isText = false; ///< prose: to the left, in several lines where it is long
  double share = -1;   ///< 0 to 1: a bar behind the text; below 0: none
};
std::string htmlCells(const std::vector<HtmlCell> &cells, const char *tag = "td",
                      const char *attributes = "");

/// A table that scrolls where it is too wide or high; `classes` of its style.
std::string htmlTable(const std::string &rows, const char *classes = "");

/// A row of cells (text) with `tag` td or th; `attributes` of the row begin with a blank.
std::string htmlRow(const std::vector<std::string> &cells, const char *tag,
                    const char *attributes = "");

/// 1,234,567.
std::string grouped(uint64_t value);
/// 62.4 MiB.
std::string formatMebibytes(uint64_t bytes);

} // namespace danaus
