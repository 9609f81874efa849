// See Augment.h. The options of a kind are read by its key in the table of kinds.
#include "compiler/import/Augment.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace json = llvm::json;

namespace danaus::spec {

void AugmentType::read(const Node &node, Augment &augment, Reader &reader) const {
  if (!node.isScalar() && (!node.isMap() || node.keys.size() != 1))
    return reader.mismatch(node, describe());
  const std::string &name = node.isMap() ? node.keys[0].name : node.text;
  augment.mark = node.isMap() ? node.keys[0].mark : node.mark;
  std::vector<std::string> known = kinds->names();
  auto found = llvm::find(known, name);
  if (found == known.end())
    return reader.unknown(augment.mark, "augmentation", name, known, {});
  augment.kind = AugmentKind(found - known.begin());
  if (node.isMap())
    kinds->readAny(node, &augment, reader);
}

Node AugmentType::print(const Augment &augment) const {
  const Key &key = kinds->keys()[size_t(augment.kind)];
  Node map = Node::map();
  map.append(key.name, key.type->printAny(&augment));
  return map;
}

std::string AugmentType::describe() const {
  return "an augmentation (" + llvm::join(kinds->names(), ", ") + "), alone or {name: {options}}";
}

json::Value AugmentType::jsonSchema() const {
  json::Value withOptions = kinds->jsonSchema();
  (*withOptions.getAsObject())["minProperties"] = 1;
  (*withOptions.getAsObject())["maxProperties"] = 1;
  return json::Object{
      {"anyOf", json::Array{json::Object{{"enum", json::Array(kinds->names())}}, withOptions}}};
}

void AugmentType::visit(const std::string &path, Visitor visitor) const {
  kinds->visit(path, visitor);
}

} // namespace danaus::spec
