// What scalars mean, and the printer of Nodes. Both must agree: a text that would be read as
// something else is printed in quotes.
#include "compiler/import/Yaml.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using llvm::StringRef;

namespace danaus::spec {
namespace {

constexpr size_t width = 100;

/// Takes digits off the front; false where there is none.
bool takeDigits(StringRef &text) {
  size_t before = text.size();
  text = text.drop_while([](char c) { return llvm::isDigit(c); });
  return text.size() != before;
}

/// [digits][.digits][e[+-]digits], with at least one digit before the exponent.
bool isNumber(StringRef text) {
  bool digits = takeDigits(text);
  if (text.consume_front("."))
    digits |= takeDigits(text);
  if (!digits)
    return false;
  if (!text.consume_front("e") && !text.consume_front("E"))
    return text.empty();
  if (!text.consume_front("+"))
    text.consume_front("-");
  return takeDigits(text) && text.empty();
}

bool isNull(StringRef text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

bool isPlain(StringRef text) {
  auto isFirst = [](char c) { return llvm::isAlpha(c) || c == '_' || c == '/'; };
  auto isRest = [](char c) { return llvm::isAlnum(c) || StringRef("_./-").contains(c); };
  return !text.empty() && isFirst(text.front()) && llvm::all_of(text, isRest) && !isNull(text) &&
         meaningOf(text) == Meaning::Text;
}

std::string quote(StringRef text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += "\\x" + llvm::utohexstr(static_cast<unsigned char>(c), true, 2);
    else
      result += c;
  }
  return result + "\"";
}

std::string printText(StringRef text) { return isPlain(text) ? text.str() : quote(text); }

/// Lists of lists or maps read badly on one line.
bool wantsLines(const Node &node) {
  auto isNested = [](const Node &item) { return item.isList() || item.isMap(); };
  return (node.isList() && llvm::any_of(node.items, isNested)) ||
         llvm::any_of(node.items, wantsLines);
}

bool fitsOneLine(const Node &node, size_t column) {
  return (!node.isList() && !node.isMap()) || node.items.empty() ||
         (!wantsLines(node) && column + printFlow(node).size() <= width);
}

void printBlock(const Node &node, size_t indent, std::string &out);

/// The entries of a map, the first without its indentation (it follows "- " or starts a line).
void printMap(const Node &node, size_t indent, std::string &out) {
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (i > 0)
      out.append(indent, ' ');
    std::string key = printText(node.keys[i].name) + ":";
    out += key;
    if (fitsOneLine(node.items[i], indent + key.size() + 1)) {
      out += " " + printFlow(node.items[i]) + "\n";
      continue;
    }
    out += "\n";
    out.append(indent + 2, ' ');
    printBlock(node.items[i], indent + 2, out);
  }
}

void printList(const Node &node, size_t indent, std::string &out) {
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (i > 0)
      out.append(indent, ' ');
    out += "- ";
    const Node &item = node.items[i];
    // "- linear: {out: 10}" rather than "- {linear: {out: 10}}".
    bool nested = item.isMap() && llvm::any_of(item.items, [](const Node &n) { return n.isMap(); });
    if (!nested && fitsOneLine(item, indent + 2))
      out += printFlow(item) + "\n";
    else
      printBlock(item, indent + 2, out);
  }
}

void printBlock(const Node &node, size_t indent, std::string &out) {
  if (node.isMap())
    return printMap(node, indent, out);
  printList(node, indent, out);
}

} // namespace

Meaning meaningOf(StringRef text) {
  StringRef digits = text;
  digits.consume_front("-");
  bool allDigits = !digits.empty() && llvm::all_of(digits, llvm::isDigit);
  if (allDigits && (digits.size() == 1 || digits.front() != '0'))
    return Meaning::Integer;
  bool padded = digits.size() > 1 && digits[0] == '0' && llvm::isDigit(digits[1]);
  if (isNumber(digits) && !padded)
    return Meaning::Number;
  StringRef unsignedText = digits;
  unsignedText.consume_front("+");
  std::string lower = unsignedText.lower();
  StringRef low = lower;
  if (low == ".nan" || low == ".inf" || low == "nan" || low == "inf" || low == "infinity")
    return Meaning::BadNumber;
  bool startsAsNumber = !low.empty() && llvm::isDigit(low.front());
  auto isNumberLetter = [](char c) {
    return llvm::isHexDigit(c) || StringRef("xo_.+-").contains(c);
  };
  if (startsAsNumber &&
      (low.starts_with("0x") || low.starts_with("0o") || low.starts_with("0b") || padded ||
       isNumber(low) || low.contains('_')) &&
      llvm::all_of(low, isNumberLetter))
    return Meaning::BadNumber;
  if (text == "true" || text == "false")
    return Meaning::Bool;
  return llvm::StringSwitch<Meaning>(text.lower())
      .Cases({"true", "false", "yes", "no", "on", "off"}, Meaning::BadBool)
      .Default(Meaning::Text);
}

std::string printFlow(const Node &node) {
  switch (node.kind) {
  case Node::Kind::Null:
    return "null";
  case Node::Kind::Scalar:
    return node.quoted ? printText(node.text) : node.text;
  case Node::Kind::List:
  case Node::Kind::Map:
    break;
  }
  std::string out(1, node.isMap() ? '{' : '[');
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (i > 0)
      out += ", ";
    if (node.isMap())
      out += printText(node.keys[i].name) + ": ";
    out += printFlow(node.items[i]);
  }
  return out + (node.isMap() ? '}' : ']');
}

std::string printYaml(const Node &node) {
  std::string out;
  if ((node.isMap() || node.isList()) && !node.items.empty())
    printBlock(node, 0, out);
  else
    out = printFlow(node) + "\n";
  return out;
}

} // namespace danaus::spec
