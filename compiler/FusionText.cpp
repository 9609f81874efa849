// --emit=fusion as a table.
#include "compiler/Fusion.h"
#include "compiler/FusionNames.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

#include <array>
#include <map>

using namespace danaus;

namespace {

constexpr size_t columnCount = 6;
using Cells = std::array<std::string, columnCount>;
constexpr bool isNumber[columnCount] = {false, true, true, false, false, false};

std::string megabytes(int64_t bytes) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.3f", double(bytes) * 1e-6);
  return text;
}

std::string lineNumbers(const std::vector<unsigned> &lines) {
  return llvm::join(llvm::map_range(lines, [](unsigned line) { return std::to_string(line); }),
                    ",");
}

Cells cellsOf(const FusionRow &row) {
  return {row.name,
          std::to_string(row.launches.size()),
          megabytes(row.bytesSaved),
          lineNumbers(row.lines),
          foldRepeats(row.covers),
          foldNames(row.layers)};
}

/// Neighbours of one reason share a line.
std::vector<std::string> apartLines(const FusionRow &row) {
  llvm::MapVector<std::string, std::vector<std::string>, std::map<std::string, unsigned>> byReason;
  for (const auto &[from, reason] : row.apart)
    byReason[reason].push_back(from);
  std::vector<std::string> lines;
  for (const auto &[reason, names] : byReason)
    lines.push_back("apart from " + llvm::join(foldNumbers(names), ", ") + ": " + reason);
  return lines;
}

void printStep(const FusionStep &step, llvm::raw_ostream &os) {
  std::vector<FusionRow> rows = rowsOf(step);
  std::vector<Cells> table = {{"kernel", "launches", "MB saved", "lines", "operations", "layers"}};
  for (const FusionRow &row : rows)
    table.push_back(cellsOf(row));
  std::array<size_t, columnCount> widths = {};
  for (const Cells &cells : table)
    for (auto [width, cell] : llvm::zip(widths, cells))
      width = std::max(width, cell.size());
  int64_t saved = 0;
  size_t launches = 0;
  for (const FusionRow &row : rows) {
    saved += row.bytesSaved;
    launches += row.launches.size();
  }
  os << step.name << ": " << launches << " launches, " << megabytes(saved)
     << " MB less through memory than with a kernel for each operation\n";
  // The columns of words are as long as they are: only those before are aligned.
  for (size_t i = 0; i < table.size(); ++i) {
    for (size_t c = 0; c < columnCount; ++c) {
      const std::string &cell = table[i][c];
      size_t padding = c < 4 ? widths[c] - cell.size() : 0;
      os << "  ";
      if (isNumber[c])
        os.indent(padding) << cell;
      else if (c < 4)
        (os << cell).indent(padding);
      else
        os << cell << (c == 4 ? ";" : "");
    }
    os << '\n';
    if (i > 0)
      for (const std::string &line : apartLines(rows[i - 1]))
        os << "      " << line << '\n';
  }
}

} // namespace

std::string danaus::fusionAsText(const Fusion &fusion) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (const FusionStep &step : fusion)
    printStep(step, os);
  return text;
}
