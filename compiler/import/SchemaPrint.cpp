// The schema for editors (JSON Schema) and for people (docs/Spec.md), both from the one table.
#include "compiler/import/ReadSpec.h"
#include "compiler/import/Schema.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

namespace json = llvm::json;

namespace danaus::spec {

std::string schemaAsJson() {
  Schema schema;
  json::Value value = schema.root().jsonSchema();
  json::Object &root = *value.getAsObject();
  root["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  root["title"] = "Danaus model spec";
  root["$defs"] = json::Object{{"layer", schema.layers().definition()}};
  std::string text;
  llvm::raw_string_ostream(text) << llvm::formatv("{0:2}\n", value);
  return text;
}

namespace {

/// A cell of a Markdown table.
std::string cell(llvm::StringRef text) {
  std::string result;
  for (char c : text)
    result += c == '|' ? std::string("\\|") : std::string(1, c);
  return result;
}

std::string row(const Key &key, const RecordType &record) {
  std::string fallback = "*required*";
  if (!key.isRequired) {
    std::optional<Node> value = record.defaultOf(key);
    bool isPlain = value && !value->isMap();
    fallback = isPlain ? "`" + printFlow(*value) + "`" : "";
  }
  std::string doc = key.doc;
  if (!key.when.empty())
    doc += " Only with `" + key.when + ": " + llvm::join(key.whenValues, "` or `") + "`.";
  return "| `" + key.name + "` | " + cell(key.type->describe()) + " | " + fallback + " | " +
         cell(doc) + " |\n";
}

void printTable(const RecordType &record, std::string &out) {
  out += "| key | takes | default | meaning |\n|---|---|---|---|\n";
  for (const Key &key : record.keys())
    out += row(key, record);
  out += "\n";
}

void printLayers(const LayerType &layers, std::string &out) {
  out += "## Layers\n\nA layer is written as its kind alone (`- flatten`), where all its keys have "
         "defaults, or as a map with its kind as\nthe key. Without a `name` it is called by its "
         "kind.\n\n";
  for (const LayerEntry &entry : layers.kinds()) {
    out += "### `" + entry.name + "`\n\n" + entry.doc + "\n\n";
    printTable(entry.inside() ? *entry.inside() : *entry.map, out);
  }
}

constexpr char introduction[] = R"(# The spec: every key

A model spec is one YAML document. This page is generated from the schema (`compiler/import/Schema.cpp`), which also gives
`danausc --print-schema` (JSON Schema for editors). Keys without a default are required where the table says so; the
others may be left out. Unknown and repeated keys, wrong types and values out of range are errors.

* Integers and numbers are decimal: no leading `0` or `+`, no `0x`, no `_`, no infinities. `1e-3` is a number.
* Truth values are `true` and `false`. What is in quotes is a text.
* Anchors and aliases may be used; merge keys (`<<`), tags and several documents may not.
* A file has at most 1 MiB, 100,000 values and 64 levels of nesting.
* On the command line any value can be set, also in lists by index: `train.epochs=3 structure.0.rank=8`.

)";

} // namespace

std::string schemaAsMarkdown() {
  Schema schema;
  std::string out = introduction;
  schema.root().visit("", [&](const std::string &path, const RecordType &record) {
    out += path.empty() ? "## The document\n\n" : "## `" + path + "`\n\n";
    printTable(record, out);
  });
  printLayers(schema.layers(), out);
  out.pop_back();
  return out;
}

} // namespace danaus::spec
