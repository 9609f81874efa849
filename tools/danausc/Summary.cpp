// Laying out the summary table.
#include "tools/danausc/Summary.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"

#include <array>

using namespace danaus;

namespace {
constexpr size_t columnCount = 6;
using Cells = std::array<std::string, columnCount>;
/// Which columns are numbers, aligned at their right end.
constexpr bool isNumber[columnCount] = {false, false, true, true, true, true};

/// 1234567 as "1,234,567".
std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (int64_t i = int64_t(text.size()) - 3; i > 0; i -= 3)
    text.insert(size_t(i), ",");
  return text;
}

/// "-" where there is no dense twin to compare with.
std::string percent(int64_t part, int64_t whole) {
  if (whole == 0)
    return "-";
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.1f %%", 100.0 * double(part) / double(whole));
  return text;
}
} // namespace

void danaus::printSummary(const std::vector<LayerRow> &rows, const ModelTotals &totals,
                          llvm::raw_ostream &os) {
  std::vector<Cells> lines = {{"layer", "structure", "in -> out", "params", "MACs", "% of dense"}};
  for (const LayerRow &row : rows)
    lines.push_back({row.name, row.structure,
                     std::to_string(row.in) + " -> " + std::to_string(row.out), grouped(row.params),
                     grouped(row.macs), percent(row.macs, row.denseMacs)});
  std::array<size_t, columnCount> widths = {};
  for (const Cells &cells : lines)
    for (auto [width, cell] : llvm::zip(widths, cells))
      width = std::max(width, cell.size());
  for (const Cells &cells : lines) {
    for (auto [i, cell] : llvm::enumerate(cells)) {
      os << (i ? "  " : "");
      size_t padding = widths[i] - cell.size();
      if (isNumber[i])
        os.indent(padding) << cell;
      else
        (os << cell).indent(padding);
    }
    os << '\n';
  }
  os << "total  params " << grouped(totals.params) << "  MACs " << grouped(totals.macs)
     << "  (dense twin: " << grouped(totals.denseParams) << " / " << grouped(totals.denseMacs)
     << ")\n";
}
