// Reading and printing one entry of `layers:`: which kind it is, then the keys of that kind.
#include "compiler/import/Layers.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using llvm::StringRef;
namespace json = llvm::json;

namespace danaus::spec {

const LayerEntry *LayerType::find(StringRef name) const {
  auto found = llvm::find_if(entries, [&](const LayerEntry &entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

std::vector<std::string> LayerType::names() const {
  std::vector<std::string> result;
  for (const LayerEntry &entry : entries)
    result.push_back(entry.name);
  return result;
}

const LayerEntry *LayerType::kindOf(const Node &node, Reader &reader) const {
  const LayerEntry *kind = nullptr;
  for (const Node::Key &key : node.keys) {
    const LayerEntry *next = find(key.name);
    if (next && kind)
      return reader.error(key.mark, "a layer has one kind, but this one has '" + kind->name +
                                        "' and '" + next->name +
                                        "'; begin the second with its own '-'"),
             nullptr;
    kind = next ? next : kind;
  }
  if (!kind && node.keys.empty())
    reader.mismatch(node, describe());
  else if (!kind)
    reader.unknown(node.keys.front().mark, "layer", node.keys.front().name, names(), {});
  return kind;
}

void LayerType::read(const Node &node, Layer &layer, Reader &reader) const {
  if (!node.isScalar() && !node.isMap())
    return reader.mismatch(node, describe());
  const LayerEntry *entry = node.isMap() ? kindOf(node, reader) : find(node.text);
  if (!entry) {
    if (node.isScalar())
      reader.unknown(node.mark, "layer", node.text, names(), {});
    return;
  }
  layer.kind = entry->kind;
  layer.type = entry->name;
  layer.activation = entry->activation;
  layer.mark = node.mark;
  if (node.isScalar()) {
    if (!entry->standsAlone())
      reader.error(node.mark, "layer '" + entry->name + "' does not stand alone: it takes " +
                                  entry->head().type->describe());
    return;
  }
  layer.mark = node.keys[*node.find(entry->name)].mark;
  if (!entry->inside() || node.keys.size() == 1)
    return entry->map->readAny(node, &layer, reader);
  std::vector<std::string> inside = entry->inside()->names();
  for (const Node::Key &key : node.keys)
    if (llvm::is_contained(inside, key.name))
      reader.error(key.mark, "'" + key.name + "' belongs inside the layer: " + entry->name + ": {" +
                                 key.name + ": ...}");
    else if (key.name != entry->name)
      reader.unknown(key.mark, "key", key.name, inside, {});
}

Node LayerType::print(const Layer &layer) const {
  const LayerEntry *entry = find(layer.type);
  Node map = entry->map->printAny(&layer);
  bool alone = map.items.size() == 1 && map.items[0].isMap() && map.items[0].items.empty();
  return alone ? Node::scalar(entry->name, true) : map;
}

std::string LayerType::describe() const { return "a layer (" + llvm::join(names(), ", ") + ")"; }

json::Value LayerType::jsonSchema() const { return json::Object{{"$ref", "#/$defs/layer"}}; }

json::Value LayerType::definition() const {
  json::Array alone, forms;
  for (const LayerEntry &entry : entries)
    if (entry.standsAlone())
      alone.push_back(entry.name);
  forms.push_back(json::Object{{"enum", std::move(alone)}});
  for (const LayerEntry &entry : entries) {
    json::Value form = entry.map->jsonSchema();
    (*form.getAsObject())["description"] = entry.doc;
    forms.push_back(std::move(form));
  }
  return json::Object{{"oneOf", std::move(forms)}};
}

} // namespace danaus::spec
