// See ConversionTable.h.
#include "tools/danaus/models/ConversionTable.h"

#include "tools/danaus/command/Text.h"

namespace danaus::tool {

std::string conversionTable(const std::vector<LayerConversion> &layers) {
  using enum Table::Align;
  using ull = unsigned long long;
  if (layers.empty())
    return "";
  Table table({Left, Left, Left, Right, Right, Right, Right, Right, Right});
  table.row({"layer", "from", "to", "in -> out", "params", "after", "of before", "energy kept",
             "relative error"});
  for (const LayerConversion &layer : layers) {
    uint64_t before = layer.before.parameters(), after = layer.after.parameters();
    table.row({layer.name, layer.before.describe(), layer.after.describe(),
               format("%llu -> %llu", ull(layer.after.in), ull(layer.after.out)), thousands(before),
               thousands(after), format("%.1f %%", 100.0 * double(after) / double(before)),
               format("%.1f %%", 100 * layer.energyKept()), format("%.3g", layer.relativeError)});
  }
  return table.text();
}

} // namespace danaus::tool
