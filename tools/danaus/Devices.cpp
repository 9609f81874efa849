// danaus devices: what this machine can run models on, and why something is not there.
#include "runtime/device/Device.h"
#include "tools/danaus/CommandLine.h"
#include "tools/danaus/Text.h"

namespace danaus::tool {

static void printTable(const std::vector<DeviceRow> &rows) {
  using enum Table::Align;
  Table table({Left, Left, Left});
  table.row({"device", "available", "description"});
  for (const DeviceRow &row : rows)
    table.row(
        {row.name, row.available ? "yes" : "no", row.available ? row.description : row.whyNot});
  std::fputs(table.text().c_str(), stdout);
}

static void printJson(const std::vector<DeviceRow> &rows) {
  std::printf("{\"devices\": [");
  const char *separator = "";
  for (const DeviceRow &row : rows) {
    std::printf("%s\n  {\"name\": %s, \"available\": %s, \"description\": %s, \"why_not\": %s}",
                separator, jsonString(row.name).c_str(), row.available ? "true" : "false",
                jsonString(row.description).c_str(), jsonString(row.whyNot).c_str());
    separator = ",";
  }
  std::puts("]}");
}

Status runDevices(const Arguments &words) {
  CommandLine line("devices", "Lists the devices that models can run on, and why one is missing.",
                   {"danaus devices", "danaus devices --json"});
  bool json = false;
  line.flag(json, "--json", "print one JSON object");
  auto outcome = line.parse(words);
  if (!outcome)
    return outcome.takeError();
  if (*outcome == CommandLine::Outcome::HelpShown)
    return Status::ok();
  std::vector<DeviceRow> rows = describeDevices();
  json ? printJson(rows) : printTable(rows);
  return Status::ok();
}

} // namespace danaus::tool
