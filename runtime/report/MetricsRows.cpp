// See MetricsRows.h.
#include "runtime/report/MetricsRows.h"

#include "runtime/base/File.h"

#include <cmath>

namespace danaus {

Expected<MetricsRows> readMetricsRows(const std::string &run) {
  constexpr uint64_t limit = 1ull << 30;
  std::string path = joinPath(run, "metrics.jsonl");
  if (!isFolder(run))
    return Error(ExitCode::Usage, "'" + run + "' is no folder: give the folder of a run");
  if (!pathExists(path))
    return Error(ExitCode::Usage,
                 "'" + run + "' is a folder, but not of a run: it holds no metrics.jsonl");
  auto text = readFile(path, limit);
  if (!text)
    return text.takeError();
  MetricsRows rows;
  size_t number = 1;
  for (size_t begin = 0, end; begin < text->size(); begin = end + 1, ++number) {
    end = text->find('\n', begin);
    if (end == std::string::npos)
      break; // is being written
    auto row = nlohmann::json::parse(text->substr(begin, end - begin), nullptr, false);
    if (!row.is_object())
      return Error(ExitCode::IoError,
                   format("'%s':%zu is not a row of metrics", path.c_str(), number));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::optional<double> metricOf(const nlohmann::json &row, const std::string &name) {
  auto found = row.find(name);
  if (found == row.end())
    return std::nullopt;
  return found->is_number() ? found->get<double>() : std::nan("");
}

} // namespace danaus
