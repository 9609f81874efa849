// danaus devices: what this machine can run models on, and why something is not there.
#include "runtime/device/Device.h"
#include "runtime/nvrtc/Nvrtc.h"
#include "tools/danaus/command/CommandLine.h"
#include "tools/danaus/command/Text.h"

namespace danaus::tool {

/// What compiles kernels for GPUs, as one more row.
static DeviceRow nvrtcRow() {
  auto nvrtc = describeNvrtc();
  if (!nvrtc)
    return {"nvrtc", false, nvrtc.error().message(), ""};
  return {"nvrtc", true, "",
          format("compiles for GPUs: version %d.%d, sm_%d to sm_%d, %s", nvrtc->major, nvrtc->minor,
                 nvrtc->archs.front(), nvrtc->archs.back(), nvrtc->path.c_str())};
}

static void printTable(const std::vector<DeviceRow> &rows) {
  using enum Table::Align;
  Table table({Left, Left, Left});
  table.row({"device", "available", "description"});
  for (const DeviceRow &row : rows)
    table.row(
        {row.name, row.available ? "yes" : "no", row.available ? row.description : row.whyNot});
  std::fputs(table.text().c_str(), stdout);
}

static void printJsonRow(const DeviceRow &row) {
  std::printf("{\"name\": %s, \"available\": %s, \"description\": %s, \"why_not\": %s}",
              jsonString(row.name).c_str(), row.available ? "true" : "false",
              jsonString(row.description).c_str(), jsonString(row.whyNot).c_str());
}

static void printJson(const std::vector<DeviceRow> &rows, const DeviceRow &nvrtc) {
  std::printf("{\"devices\": [");
  const char *separator = "";
  for (const DeviceRow &row : rows) {
    std::printf("%s\n  ", separator);
    printJsonRow(row);
    separator = ",";
  }
  std::printf("],\n \"nvrtc\": ");
  printJsonRow(nvrtc);
  std::puts("}");
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
  if (json) {
    printJson(rows, nvrtcRow());
  } else {
    rows.push_back(nvrtcRow());
    printTable(rows);
  }
  return Status::ok();
}

} // namespace danaus::tool
