// The printed forms of the schema: JSON Schema that is JSON and names every key, and the reference
// page, which is committed and must be what the schema says.
#include "ReadText.h"

#include "compiler/import/Schema.h"

#include "llvm/Support/JSON.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <set>

namespace danaus::spec {
namespace {

/// The keys of every "properties" inside a JSON value.
void collect(const llvm::json::Value &value, std::set<std::string> &names) {
  if (const llvm::json::Array *array = value.getAsArray())
    for (const llvm::json::Value &item : *array)
      collect(item, names);
  const llvm::json::Object *object = value.getAsObject();
  if (!object)
    return;
  for (const auto &[key, item] : *object) {
    if (key == "properties")
      for (const auto &[name, property] : *item.getAsObject())
        names.insert(name.str());
    collect(item, names);
  }
}

std::set<std::string> keysOfTheTable() {
  std::set<std::string> names;
  auto add = [&](const RecordType &record) {
    for (const Key &key : record.keys())
      names.insert(key.name);
  };
  Schema schema;
  schema.root().visit("", [&](const std::string &, const RecordType &record) { add(record); });
  for (const LayerEntry &entry : schema.layers().kinds()) {
    add(*entry.map);
    if (entry.inside())
      add(*entry.inside());
  }
  return names;
}

TEST(Schema, JsonIsValidAndNamesEveryKey) {
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(schemaAsJson());
  ASSERT_TRUE(bool(value)) << llvm::toString(value.takeError());
  const llvm::json::Object &root = *value->getAsObject();
  EXPECT_EQ(root.getString("$schema"), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_TRUE(root.getObject("$defs")->getObject("layer"));
  EXPECT_EQ(root.getBoolean("additionalProperties"), false);

  std::set<std::string> inTable = keysOfTheTable(), inJson;
  collect(*value, inJson);
  inJson.erase("cross_entropy"); // the loss's name, a key only of its long form
  EXPECT_EQ(inJson, inTable);
  for (const char *name : {"label_smoothing", "nblocks", "residual", "std", "min_lr", "output",
                           "random_crop", "padding"})
    EXPECT_TRUE(inTable.count(name)) << name;
}

TEST(Schema, ThePageIsTheTable) {
  const std::string page = schemaAsMarkdown();
  if (std::getenv("DANAUS_WRITE_DOCS")) // how the page is written anew
    std::ofstream(std::string(DANAUS_SOURCE_DIR) + "/docs/Spec.md") << page;
  EXPECT_EQ(fileText("docs/Spec.md"), page)
      << "the schema changed: run DANAUS_WRITE_DOCS=1 danaus_spec_test and commit docs/Spec.md";
}

} // namespace
} // namespace danaus::spec
