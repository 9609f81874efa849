// The wall around yaml-cpp: its parser's events become Nodes here, and every limit and every rule
// of "one strict document" is checked while the events arrive, before memory is spent.
#include "compiler/import/Yaml.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/ConvertUTF.h"

#include <map>
#include <sstream>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

using llvm::StringRef;

namespace danaus::spec {

Node Node::scalar(std::string text, bool quoted) {
  Node node = ofKind(Kind::Scalar);
  node.text = std::move(text);
  node.quoted = quoted;
  return node;
}

Node Node::ofKind(Kind kind) {
  Node node;
  node.kind = kind;
  return node;
}

std::optional<size_t> Node::find(StringRef name) const {
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i].name == name)
      return i;
  return std::nullopt;
}

void Node::append(std::string name, Node value) {
  keys.push_back({std::move(name), {}});
  items.push_back(std::move(value));
}

namespace {

/// Leaves the parser; caught in parseYaml.
struct Refused {
  Problem problem;
};

[[noreturn]] void refuse(Mark mark, std::string text) {
  throw Refused{{mark, std::move(text), {}, {}}};
}

/// The place of the character at `offset` of a text that begins at `origin`.
Mark markAt(StringRef text, size_t offset, Mark origin) {
  StringRef before = text.take_front(offset);
  size_t newline = before.rfind('\n');
  Mark mark = origin;
  mark.line += unsigned(before.count('\n'));
  mark.column =
      newline == StringRef::npos ? origin.column + unsigned(offset) : unsigned(offset - newline);
  return mark;
}

/// Builds the tree from the parser's events.
class Builder : public YAML::EventHandler {
public:
  Builder(StringRef text, Mark origin) : text(text), origin(origin) {}

  Mark toMark(const YAML::Mark &mark) const {
    if (mark.is_null())
      return origin;
    Mark result = origin;
    result.line += unsigned(mark.line);
    result.column = unsigned(mark.column) + (mark.line == 0 ? origin.column : 1);
    return result;
  }

  void OnDocumentStart(const YAML::Mark &mark) override {
    if (++documents > 1)
      refuse(toMark(mark), "a spec is one YAML document, but something follows its end here");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark &mark, YAML::anchor_t anchor) override {
    Node node;
    node.mark = placeOfNothing(mark);
    place(std::move(node), anchor);
  }
  void OnScalar(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                const std::string &value) override {
    Node node = Node::scalar(value, tag == "!");
    node.mark = toMark(mark);
    checkTag(tag, node.mark);
    if (node.quoted)
      checkClosed(mark);
    if (expectsKey())
      return addKey(std::move(node));
    place(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark &mark, YAML::anchor_t anchor) override;
  void OnSequenceStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::list(), mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::map(), mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  Node root;
  unsigned documents = 0;

private:
  /// A list or map whose end has not come yet.
  struct Frame {
    Node node;
    YAML::anchor_t anchor;
    llvm::StringSet<> names; ///< of a map's keys, to find repeated ones
  };
  struct Anchored {
    Node node;
    size_t nodes = 0, depth = 0;
  };

  bool expectsKey() const {
    return !stack.empty() && stack.back().node.isMap() &&
           stack.back().node.keys.size() == stack.back().node.items.size();
  }
  void checkTag(const std::string &tag, Mark mark) const {
    if (!tag.empty() && tag != "!" && tag != "?")
      refuse(mark, "tags such as !!int have no meaning in a spec; remove this one");
  }
  Mark placeOfNothing(const YAML::Mark &mark) const;
  void checkClosed(const YAML::Mark &mark) const;
  void addKey(Node key);
  void count(size_t nodes, size_t depth, Mark mark);
  void open(Node node, const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor);
  void close();
  void place(Node node, YAML::anchor_t anchor);

  StringRef text;
  Mark origin;
  std::vector<Frame> stack;
  std::map<YAML::anchor_t, Anchored> anchors;
  size_t total = 0, anchoredTotal = 0;
};

/// Whether a written null, not the lack of a value, stands at the front.
bool startsWithNull(StringRef text) {
  if (text.starts_with("~"))
    return true;
  StringRef word = text.take_while([](char c) { return !StringRef(" \t\r\n,]}:#").contains(c); });
  return (word == "null" || word == "Null" || word == "NULL") &&
         !text.drop_front(word.size()).starts_with(":");
}

/// yaml-cpp gives a missing value the place of whatever follows it; a reader looks for it behind
/// the "key:" or "-" that it belongs to.
Mark Builder::placeOfNothing(const YAML::Mark &mark) const {
  size_t at = std::min(size_t(std::max(mark.pos, 0)), text.size());
  if (stack.empty() || expectsKey() || startsWithNull(text.drop_front(at)))
    return toMark(mark);
  if (stack.back().node.isMap())
    return stack.back().node.keys.back().mark;
  size_t opener = text.take_front(at).find_last_of("-,[");
  return opener == StringRef::npos ? toMark(mark) : markAt(text, opener, origin);
}

/// yaml-cpp takes the end of the text for the end of a quote.
void Builder::checkClosed(const YAML::Mark &mark) const {
  StringRef rest = text.drop_front(std::min(size_t(std::max(mark.pos, 0)), text.size()));
  if (rest.starts_with("&"))
    rest = rest.drop_while([](char c) { return !llvm::isSpace(c); }).ltrim();
  char quote = rest.empty() ? 0 : rest.front();
  if (quote != '"' && quote != '\'')
    return; // a block of text (| or >)
  for (size_t i = 1; i < rest.size(); ++i) {
    bool escapes = quote == '"' ? rest[i] == '\\' : rest.drop_front(i).starts_with("''");
    if (escapes)
      ++i;
    else if (rest[i] == quote)
      return;
  }
  refuse(toMark(mark), "this quote is never closed");
}

void Builder::addKey(Node key) {
  Frame &frame = stack.back();
  if (key.text == "<<" && !key.quoted)
    refuse(key.mark, "merge keys (<<) are not supported; write the keys out, or use an alias for a "
                     "whole value");
  if (!frame.names.insert(key.text).second) {
    Mark first = frame.node.keys[*frame.node.find(key.text)].mark;
    throw Refused{{key.mark, "key '" + key.text + "' is written twice in one map", first,
                   "first written here"}};
  }
  count(1, 0, key.mark);
  frame.node.keys.push_back({std::move(key.text), key.mark});
}

void Builder::count(size_t nodes, size_t depth, Mark mark) {
  total += nodes;
  if (total > YamlLimits::nodes)
    refuse(mark, "the spec has more than " + std::to_string(YamlLimits::nodes) +
                     " values (every alias counts as what it stands for)");
  if (stack.size() + depth > YamlLimits::depth)
    refuse(mark, "lists and maps are nested more than " + std::to_string(YamlLimits::depth) +
                     " levels deep");
}

/// How many nodes a tree has, and how many levels of lists and maps.
std::pair<size_t, size_t> sizeOf(const Node &node) {
  size_t nodes = 1 + node.keys.size(), depth = 0;
  for (const Node &item : node.items) {
    auto [itemNodes, itemDepth] = sizeOf(item);
    nodes += itemNodes;
    depth = std::max(depth, itemDepth);
  }
  return {nodes, depth + (node.isList() || node.isMap())};
}

void Builder::OnAlias(const YAML::Mark &mark, YAML::anchor_t anchor) {
  auto found = anchors.find(anchor);
  if (found == anchors.end())
    refuse(toMark(mark), "this alias stands inside the value that it names");
  if (expectsKey())
    refuse(toMark(mark), "a key must be a name, not an alias");
  count(found->second.nodes, found->second.depth, toMark(mark));
  place(found->second.node, 0);
}

void Builder::open(Node node, const YAML::Mark &mark, const std::string &tag,
                   YAML::anchor_t anchor) {
  node.mark = toMark(mark);
  checkTag(tag, node.mark);
  if (expectsKey())
    refuse(node.mark, "a key must be a name, not a list or a map");
  count(1, 1, node.mark);
  stack.push_back({std::move(node), anchor, {}});
}

void Builder::close() {
  Frame frame = std::move(stack.back());
  stack.pop_back();
  total -= 1; // place() counts every node, open() counted this one to keep the limit while it grew
  place(std::move(frame.node), frame.anchor);
}

void Builder::place(Node node, YAML::anchor_t anchor) {
  if (expectsKey())
    refuse(node.mark, "a key must be a name; this one is empty");
  count(1, 0, node.mark);
  if (anchor) {
    auto [nodes, depth] = sizeOf(node);
    anchoredTotal += nodes; // anchors inside anchors keep a copy each
    if (anchoredTotal > YamlLimits::nodes)
      refuse(node.mark, "the values with anchors (&name) are too large together");
    anchors[anchor] = {node, nodes, depth};
  }
  if (stack.empty())
    root = std::move(node);
  else
    stack.back().node.items.push_back(std::move(node));
}

/// yaml-cpp's text with what to do about it, for those that say little.
std::string explain(const std::string &text) {
  if (text == YAML::ErrorMsg::EOF_IN_SCALAR)
    return "the text ends inside a quote that is never closed";
  if (text == YAML::ErrorMsg::FLOW_END)
    return "this closes nothing that is open: do '[' and ']', '{' and '}' match?";
  if (text == YAML::ErrorMsg::MAP_VALUE)
    return "no value can begin at this ':': check the indentation of this line and the one above";
  if (text == YAML::ErrorMsg::END_OF_MAP_FLOW)
    return "this is not the end of a map that was opened with '{': is a ',' or '}' missing?";
  if (text == YAML::ErrorMsg::END_OF_SEQ_FLOW)
    return "this is not the end of a list that was opened with '[': is a ',' or ']' missing?";
  if (text == YAML::ErrorMsg::END_OF_MAP)
    return "this does not belong to the map above it: check the indentation and the ':'";
  if (text == YAML::ErrorMsg::END_OF_SEQ)
    return "this does not belong to the list above it: check the indentation and the '-'";
  return "not valid YAML: " + text;
}

Problem problemOf(const YAML::Exception &error, StringRef text, Mark origin, Mark mark) {
  size_t offset = std::min(size_t(std::max(error.mark.pos, 0)), text.size());
  size_t begin = text.take_front(offset).rfind('\n') + 1; // npos + 1 is the first line's
  StringRef indentation =
      text.drop_front(begin).take_while([](char c) { return c == ' ' || c == '\t'; });
  size_t tab = indentation.find('\t');
  if (tab != StringRef::npos)
    return {
        markAt(text, begin + tab, origin), "a tab in the indentation; indent with spaces", {}, {}};
  return {mark, explain(error.msg), {}, {}};
}

} // namespace

bool checkCharacters(StringRef text, Mark origin, Problems &problems) {
  auto *bytes = reinterpret_cast<const llvm::UTF8 *>(text.data()), *bad = bytes;
  bool isUtf8 = llvm::isLegalUTF8String(&bad, bytes + text.size());
  size_t end = isUtf8 ? text.size() : size_t(bad - bytes);
  // yaml-cpp takes 0x04 for the end of the file; a lone carriage return breaks its lines, not ours.
  size_t at = 0;
  auto isFine = [&](unsigned char c) {
    return (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t' ||
           (c == '\r' && text.substr(at + 1).starts_with("\n"));
  };
  while (at < end && isFine(text[at]))
    ++at;
  if (at == text.size())
    return true;
  Mark mark = markAt(text, at, origin);
  std::string byte = "0x" + llvm::utohexstr(static_cast<unsigned char>(text[at]), true, 2);
  problems.add(mark, at < end ? "control character " + byte + " in the text; remove it"
                              : "byte " + byte + " is not UTF-8; save the file as UTF-8");
  return false;
}

std::optional<Node> parseYaml(StringRef text, Mark origin, Problems &problems) {
  if (text.size() > YamlLimits::bytes) {
    problems.add(origin, "the spec has " + std::to_string(text.size()) + " bytes; at most " +
                             std::to_string(YamlLimits::bytes) + " are read");
    return std::nullopt;
  }
  if (!checkCharacters(text, origin, problems))
    return std::nullopt;
  if (text.consume_front("\xEF\xBB\xBF")) // a byte order mark
    origin.column += 3;
  Builder builder(text, origin);
  try {
    std::istringstream stream(text.str());
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder))
      ;
    if (builder.documents > 0)
      return std::move(builder.root);
    problems.add(origin, "the spec is empty");
  } catch (const Refused &refused) {
    problems.add(refused.problem);
  } catch (const YAML::Exception &error) {
    problems.add(problemOf(error, text, origin, builder.toMark(error.mark)));
  } catch (const std::exception &error) {
    problems.add(origin, std::string("the YAML reader failed: ") + error.what());
  }
  return std::nullopt;
}

} // namespace danaus::spec
