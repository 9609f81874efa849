// Reading, printing and describing the plain types, and the messages for values that do not fit.
#include "compiler/import/Types.h"
#include "runtime/base/Nearest.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <charconv>
#include <cmath>

using llvm::StringRef;
using llvm::Twine;
namespace json = llvm::json;

namespace danaus::spec {

Reader::Scope::Scope(Reader &reader, const Twine &key)
    : reader(reader), length(reader.path.size()) {
  reader.path += ((length ? "." : "") + key).str();
}

void Reader::error(Mark mark, const Twine &text) { error(mark, text, {}, ""); }

void Reader::error(Mark mark, const Twine &text, Mark noteMark, const Twine &note) {
  std::string where = path.empty() ? "" : path + ": ";
  problems.add({mark, where + text.str(), noteMark, note.str()});
}

/// "the text 'abc'", "an empty list": what stands there, in a person's words.
static std::string found(const Node &node) {
  switch (node.kind) {
  case Node::Kind::Null:
    return "nothing";
  case Node::Kind::List:
    return node.items.empty() ? "an empty list" : "a list";
  case Node::Kind::Map:
    if (node.keys.empty())
      return "an empty map";
    return std::string("a map with the ") + (node.keys.size() == 1 ? "key " : "keys ") +
           llvm::join(llvm::map_range(llvm::ArrayRef(node.keys).take_front(3),
                                      [](const Node::Key &key) { return key.name; }),
                      ", ") +
           (node.keys.size() > 3 ? ", ..." : "");
  case Node::Kind::Scalar:
    break;
  }
  std::string text = node.text.size() > 60 ? node.text.substr(0, 57) + "..." : node.text;
  if (node.quoted)
    return "the text \"" + text + "\"" +
           (meaningOf(node.text) != Meaning::Text ? " (in quotes it is a text; leave them out)"
                                                  : "");
  switch (meaningOf(node.text)) {
  case Meaning::BadNumber:
    return "'" + text +
           "' (numbers are written in decimal: no leading 0 or +, no 0x, no '_', "
           "no inf or nan)";
  case Meaning::BadBool:
    return "'" + text + "' (truth values are written true or false)";
  default:
    return "'" + text + "'";
  }
}

void Reader::mismatch(const Node &node, const Twine &wanted) {
  error(node.mark, "expected " + wanted + ", found " + found(node));
}

void Reader::unknown(Mark mark, StringRef noun, StringRef name, llvm::ArrayRef<std::string> known,
                     llvm::ArrayRef<std::string> unsupported) {
  std::string shown = name.size() > 60 ? (name.take_front(57) + "...").str() : name.str();
  if (llvm::is_contained(unsupported, name))
    return error(mark, noun + " '" + shown + "' is not supported by this version");
  if (std::optional<std::string> near = nearestName({name.data(), name.size()}, known))
    return error(mark, "unknown " + noun + " '" + shown + "'; did you mean '" + *near + "'?");
  error(mark, "unknown " + noun + " '" + shown + "'; known here: " + llvm::join(known, ", "));
}

std::string Reader::resolve(StringRef path, Mark mark) const {
  llvm::SmallString<256> result(path);
  if (!llvm::sys::path::is_absolute(path) && !mark.onCommandLine)
    result = folder, llvm::sys::path::append(result, path);
  if (llvm::sys::fs::make_absolute(result)) // fails only where there is no working folder
    return path.str();
  llvm::sys::path::remove_dots(result, true);
  return result.str().str();
}

void BoolType::read(const Node &node, bool &slot, Reader &reader) const {
  if (!node.isScalar() || node.quoted || meaningOf(node.text) != Meaning::Bool)
    return reader.mismatch(node, describe());
  slot = node.text == "true";
}

Node BoolType::print(const bool &slot) const { return Node::scalar(slot ? "true" : "false"); }

json::Value BoolType::jsonSchema() const { return json::Object{{"type", "boolean"}}; }

void IntegerType::read(const Node &node, int64_t &slot, Reader &reader) const {
  if (!node.isScalar() || node.quoted || meaningOf(node.text) != Meaning::Integer)
    return reader.mismatch(node, describe());
  int64_t value = 0;
  const char *end = node.text.data() + node.text.size();
  if (std::from_chars(node.text.data(), end, value).ec != std::errc() || value < least ||
      value > most)
    return reader.error(node.mark, StringRef(node.text).take_front(40) +
                                       " is out of range: expected " + describe());
  slot = value;
}

Node IntegerType::print(const int64_t &slot) const { return Node::scalar(std::to_string(slot)); }

std::string IntegerType::describe() const {
  if (most == unbounded)
    return "an integer of at least " + std::to_string(least);
  return "an integer from " + std::to_string(least) + " to " + std::to_string(most);
}

json::Value IntegerType::jsonSchema() const {
  json::Object schema{{"type", "integer"}, {"minimum", least}};
  if (most != unbounded)
    schema["maximum"] = most;
  return schema;
}

/// The shortest decimal that reads back as the same double, always with a '.'.
static std::string shortest(double value) {
  char buffer[40];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  size_t exponent = text.find('e');
  if (exponent != std::string::npos && text[exponent + 2] == '0')
    text.erase(exponent + 2, 1); // 1e-05
  if (text.find('.') == std::string::npos)
    text.insert(std::min(exponent, text.size()), ".0");
  return text;
}

void NumberType::read(const Node &node, double &slot, Reader &reader) const {
  Meaning meaning = node.isScalar() && !node.quoted ? meaningOf(node.text) : Meaning::Text;
  if (meaning != Meaning::Integer && meaning != Meaning::Number)
    return reader.mismatch(node, describe());
  double value = 0;
  const char *end = node.text.data() + node.text.size();
  bool fits = std::from_chars(node.text.data(), end, value).ec == std::errc();
  if (!fits || !range.contains(value))
    return reader.error(node.mark, StringRef(node.text).take_front(40) +
                                       (fits ? " is out of range: expected "
                                             : " does not fit in a double: expected ") +
                                       describe());
  slot = value;
}

Node NumberType::print(const double &slot) const { return Node::scalar(shortest(slot)); }

std::string NumberType::describe() const {
  bool low = std::isfinite(range.least), high = std::isfinite(range.most);
  std::string text = "a number";
  if (low)
    text += (range.withLeast ? " of at least " : " above ") + shortest(range.least);
  if (high)
    text += (low ? " and " : " ") + std::string(range.withMost ? "at most " : "below ") +
            shortest(range.most);
  return text;
}

json::Value NumberType::jsonSchema() const {
  json::Object schema{{"type", "number"}};
  if (std::isfinite(range.least))
    schema[range.withLeast ? "minimum" : "exclusiveMinimum"] = range.least;
  if (std::isfinite(range.most))
    schema[range.withMost ? "maximum" : "exclusiveMaximum"] = range.most;
  return schema;
}

bool TextType::accepts(StringRef text) const {
  auto startsWell = [&](bool digit) {
    return !text.empty() &&
           (llvm::isAlpha(text[0]) || text[0] == '_' || (digit && llvm::isDigit(text[0])));
  };
  auto isMadeOf = [&](StringRef more) {
    return text.size() <= 128 &&
           llvm::all_of(text, [&](char c) { return llvm::isAlnum(c) || more.contains(c); });
  };
  switch (form) {
  case TextForm::Any:
  case TextForm::Path:
    return !text.empty() && text.size() <= 4096;
  case TextForm::Identifier:
    return startsWell(false) && isMadeOf("_");
  case TextForm::LayerName:
    return startsWell(false) && isMadeOf("_-");
  case TextForm::FileName:
    return startsWell(true) && isMadeOf("_.-");
  }
  return false;
}

void TextType::read(const Node &node, std::string &slot, Reader &reader) const {
  if (!node.isScalar())
    return reader.mismatch(node, describe());
  if (!node.quoted && meaningOf(node.text) != Meaning::Text)
    return reader.error(node.mark, "expected " + describe() + ", found '" + node.text +
                                       "'; if it is meant as a text, write \"" + node.text + "\"");
  if (!accepts(node.text))
    return reader.mismatch(node, describe());
  slot = form == TextForm::Path ? reader.resolve(node.text, node.mark) : node.text;
}

Node TextType::print(const std::string &slot) const { return Node::scalar(slot, true); }

std::string TextType::describe() const {
  switch (form) {
  case TextForm::Any:
    return "a text that is not empty";
  case TextForm::Path:
    return "a path";
  case TextForm::Identifier:
    return "a name of letters, digits and '_' that does not begin with a digit";
  case TextForm::LayerName:
    return "a name of letters, digits, '_' and '-' that begins with a letter or '_'";
  case TextForm::FileName:
    return "a name of letters, digits, '_', '-' and '.' that begins with none of '-' and '.'";
  }
  return "";
}

json::Value TextType::jsonSchema() const {
  json::Object schema{{"type", "string"}};
  if (form == TextForm::Identifier)
    schema["pattern"] = "^[A-Za-z_][A-Za-z0-9_]*$";
  else if (form == TextForm::LayerName)
    schema["pattern"] = "^[A-Za-z_][A-Za-z0-9_-]*$";
  else if (form == TextForm::FileName)
    schema["pattern"] = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$";
  else
    schema["minLength"] = 1;
  return schema;
}

std::optional<size_t> WordsType::readWord(const Node &node, Reader &reader) const {
  if (!node.isScalar())
    return reader.mismatch(node, describe()), std::nullopt;
  auto found = llvm::find(names, node.text);
  if (found != names.end())
    return size_t(found - names.begin());
  return reader.unknown(node.mark, "value", node.text, names, unsupported), std::nullopt;
}

std::string WordsType::describe() const {
  return names.size() == 1 ? "'" + names[0] + "'" : "one of " + llvm::join(names, ", ");
}

json::Value WordsType::jsonSchema() const { return json::Object{{"enum", json::Array(names)}}; }

} // namespace danaus::spec
