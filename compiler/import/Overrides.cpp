// See Overrides.h.
#include "compiler/import/Overrides.h"

#include "llvm/ADT/StringExtras.h"

using llvm::StringRef;

namespace danaus::spec {
namespace {

/// Finds or makes the value that `name` leads to from `node`; null after reporting.
Node *step(Node &node, StringRef name, Mark mark, StringRef path, Problems &problems) {
  if (node.isList()) {
    size_t index = 0;
    if (!name.getAsInteger(10, index) && index < node.items.size())
      return &node.items[index];
    size_t last = node.items.empty() ? 0 : node.items.size() - 1;
    problems.add(mark, path.str() + " is a list: '" + name.str() +
                           "' is not the number of one of its entries (" +
                           (node.items.empty() ? "it is empty" : "0 to " + std::to_string(last)) +
                           ")");
    return nullptr;
  }
  if (node.isScalar() && node.text != name) {
    problems.add(mark, path.str() + " has no keys: it is '" + node.text + "'");
    return nullptr;
  }
  if (!node.isMap()) { // nothing, or the short form: "loss: cross_entropy" becomes a map of it
    node = Node::map();
    node.mark = mark;
  }
  std::optional<size_t> found = node.find(name);
  if (!found) {
    node.append(name.str(), {});
    found = node.items.size() - 1;
    node.items[*found].mark = mark;
  }
  node.keys[*found].mark = mark;
  return &node.items[*found];
}

} // namespace

void applyOverride(StringRef text, size_t index, Node &root, Problems &problems) {
  Mark origin{unsigned(index) + 1, 1, true};
  if (text.find_first_of("\r\n") != StringRef::npos)
    return problems.add(origin, "an override is one line");
  if (!checkCharacters(text, origin, problems))
    return;
  auto at = [&](size_t offset) { return Mark{origin.line, unsigned(offset) + 1, true}; };
  size_t equals = text.find('=');
  if (equals == StringRef::npos || equals == 0)
    return problems.add(origin, "expected path.to.key=value, as in train.epochs=3");
  if (text.drop_front(equals + 1).trim().empty())
    return problems.add(at(equals + 1), "a value is missing after the '='");
  std::optional<Node> value = parseYaml(text.drop_front(equals + 1), at(equals + 1), problems);
  if (!value)
    return;
  if (!root.isMap())
    return; // the file itself is wrong, which the schema will say

  Node *target = &root;
  for (size_t begin = 0; begin < equals && target;) {
    size_t end = std::min(text.find('.', begin), equals);
    if (begin == end || end + 1 == equals)
      return problems.add(at(end), "a key is missing here: expected path.to.key=value");
    StringRef before = text.take_front(begin ? begin - 1 : 0);
    target = step(*target, text.slice(begin, end), at(begin), before, problems);
    begin = end + 1;
  }
  if (target)
    *target = std::move(*value);
}

std::string overrideLines(const std::vector<std::string> &overrides) {
  std::string lines;
  for (StringRef text : overrides) {
    for (char c : text)
      lines += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    lines += '\n';
  }
  return lines;
}

} // namespace danaus::spec
