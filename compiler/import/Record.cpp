// Reading maps of keys: unknown and missing keys, keys that do not go together, printing in the
// order of the table.
#include "compiler/import/Record.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using llvm::StringRef;
using llvm::Twine;
namespace json = llvm::json;

namespace danaus::spec {

std::string Key::condition() const { return when.empty() ? "" : "only with " + values(); }

std::string Key::values() const { return when + ": " + llvm::join(whenValues, " or "); }

const Key *RecordType::find(StringRef name) const {
  auto found = llvm::find_if(table, [&](const Key &key) { return key.name == name; });
  return found == table.end() ? nullptr : &*found;
}

std::vector<std::string> RecordType::names() const {
  std::vector<std::string> result;
  for (const Key &key : table)
    result.push_back(key.name);
  return result;
}

bool RecordType::needsKeys() const {
  return llvm::any_of(table, [](const Key &key) { return key.isRequired; });
}

bool RecordType::applies(const Key &key, const void *object) const {
  if (key.when.empty())
    return true;
  const Key *decider = find(key.when);
  Node value = decider->type->printAny(decider->slot(const_cast<void *>(object)));
  return llvm::is_contained(key.whenValues, value.text);
}

void RecordType::readAny(const Node &node, void *object, Reader &reader) const {
  if (!node.isMap())
    return reader.mismatch(node, describe());
  if (ownMark)
    *ownMark(object) = node.mark;
  size_t before = reader.problemCount();
  std::vector<std::string> failed;
  readKeys(node, object, reader, failed);
  checkKeys(node, object, reader, failed);
  if (reader.problemCount() == before)
    check(node, object, reader);
}

void RecordType::readKeys(const Node &node, void *object, Reader &reader,
                          std::vector<std::string> &failed) const {
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const Key *key = find(node.keys[i].name);
    if (!key) {
      reader.unknown(node.keys[i].mark, "key", node.keys[i].name, names(), {});
      continue;
    }
    Reader::Scope scope(reader, key->name);
    size_t before = reader.problemCount();
    key->type->readAny(node.items[i], key->slot(object), reader);
    if (Mark *mark = key->mark ? key->mark(object) : nullptr)
      *mark = node.items[i].mark;
    if (reader.problemCount() != before)
      failed.push_back(key->name);
  }
}

void RecordType::checkKeys(const Node &node, void *object, Reader &reader,
                           const std::vector<std::string> &failed) const {
  for (const Key &key : table) {
    std::optional<size_t> written = node.find(key.name);
    // A decider that could not be read decides nothing.
    if (!key.when.empty() && llvm::is_contained(failed, key.when))
      continue;
    bool fits = applies(key, object);
    if (written && !fits)
      reader.error(node.keys[*written].mark, "'" + key.name + "' goes " + key.condition());
    if (!written && fits && key.isRequired)
      reader.error(node.mark, "missing key '" + key.name + "'" +
                                  (key.when.empty() || !node.find(key.when)
                                       ? ""
                                       : " (needed with " + key.values() + ")") +
                                  ": " + key.type->describe());
  }
}

Node RecordType::printAny(const void *object) const {
  Node map = Node::map();
  for (const Key &key : table) {
    if (!applies(key, object))
      continue;
    Node value = key.type->printAny(key.slot(const_cast<void *>(object)));
    bool unset = (value.isScalar() && (value.text.empty() || value.text == key.hiddenText)) ||
                 ((value.isList() || value.isMap()) && value.items.empty());
    if (!unset || key.isPrintedUnset)
      map.append(key.name, std::move(value));
  }
  return map;
}

std::string RecordType::describe() const {
  return std::string("a map with the ") + (table.size() == 1 ? "key " : "keys ") +
         llvm::join(names(), ", ");
}

json::Value RecordType::jsonSchema() const {
  json::Object properties;
  json::Array required;
  for (const Key &key : table) {
    json::Value schema = key.type->jsonSchema();
    if (json::Object *object = schema.getAsObject()) {
      (*object)["description"] =
          key.when.empty() ? key.doc : key.doc + " (" + key.condition() + ")";
    }
    properties[key.name] = std::move(schema);
    if (key.isRequired && key.when.empty())
      required.push_back(key.name);
  }
  json::Object schema{
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty())
    schema["required"] = std::move(required);
  return schema;
}

void RecordType::visit(const std::string &path, Visitor visitor) const {
  visitor(path, *this);
  for (const Key &key : table)
    key.type->visit(path.empty() ? key.name : path + "." + key.name, visitor);
}

} // namespace danaus::spec
