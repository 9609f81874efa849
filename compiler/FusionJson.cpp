// --emit=fusion --json, and the section of the model binary.
#include "compiler/Fusion.h"

#include "llvm/Support/JSON.h"

using namespace danaus;

template <typename T>
static void writeList(llvm::json::OStream &json, llvm::StringRef name, const std::vector<T> &list) {
  json.attributeArray(name, [&] {
    for (const T &each : list)
      json.value(each);
  });
}

static void writeRow(llvm::json::OStream &json, const FusionRow &row) {
  json.object([&] {
    json.attribute("name", row.name);
    json.attribute("operation", row.operation);
    json.attribute("operations", int64_t(row.operations));
    writeList(json, "covers", row.covers);
    json.attribute("launches", int64_t(row.launches.size()));
    json.attribute("bytes_saved", row.bytesSaved);
    writeList(json, "lines", row.lines);
    writeList(json, "layers", row.layers);
    json.attributeArray("apart", [&] {
      for (const auto &[from, reason] : row.apart)
        json.object([&] {
          json.attribute("from", from);
          json.attribute("reason", reason);
        });
    });
  });
}

std::string danaus::fusionAsJson(const Fusion &fusion) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::json::OStream json(os);
  json.object([&] {
    json.attributeArray("functions", [&] {
      for (const FusionStep &step : fusion)
        json.object([&] {
          json.attribute("name", step.name);
          json.attributeArray("kernels", [&] {
            for (const FusionRow &row : rowsOf(step))
              writeRow(json, row);
          });
        });
    });
  });
  return text + "\n";
}
