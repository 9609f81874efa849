// The vocabulary of the schema: a Type says once how a value is checked and read, printed,
// described to a person and described as JSON Schema. Schema.cpp puts them together into the table
// of keys.
#pragma once

#include "compiler/import/Yaml.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/JSON.h"

#include <functional>
#include <limits>
#include <type_traits>

namespace danaus::spec {

/// What reading needs besides the node: where problems go, and the key at hand ("train.epochs").
class Reader {
public:
  Reader(Problems &problems, std::string folder) : problems(problems), folder(std::move(folder)) {}

  /// Reports "train.epochs: <text>".
  void error(Mark mark, const llvm::Twine &text);
  void error(Mark mark, const llvm::Twine &text, Mark noteMark, const llvm::Twine &note);
  /// Reports "expected <wanted>, found <what the node is>".
  void mismatch(const Node &node, const llvm::Twine &wanted);
  /// Reports a name that is not one of `known`: not yet supported, misspelt, or neither.
  void unknown(Mark mark, llvm::StringRef noun, llvm::StringRef name,
               llvm::ArrayRef<std::string> known, llvm::ArrayRef<std::string> unsupported);
  size_t problemCount() const { return problems.count(); }
  /// A path of the spec, absolute: from the spec's folder, or the working folder on a command line.
  std::string resolve(llvm::StringRef path, Mark mark) const;

  /// Reads below `key` until it goes out of scope.
  class Scope {
  public:
    Scope(Reader &reader, const llvm::Twine &key);
    ~Scope() { reader.path.resize(length); }

  private:
    Reader &reader;
    size_t length;
  };

private:
  Problems &problems;
  std::string folder, path;
};

class RecordType;

class Type {
public:
  virtual ~Type() = default;
  virtual void readAny(const Node &node, void *slot, Reader &reader) const = 0;
  virtual Node printAny(const void *slot) const = 0;
  /// "an integer from 1 to 64".
  virtual std::string describe() const = 0;
  virtual llvm::json::Value jsonSchema() const = 0;
  /// Calls back for each map of keys inside, with its path below this value.
  using Visitor = llvm::function_ref<void(const std::string &path, const RecordType &record)>;
  virtual void visit(const std::string &path, Visitor visitor) const {}
};

/// A type whose values live in a T.
template <typename T> class TypeFor : public Type {
public:
  virtual void read(const Node &node, T &slot, Reader &reader) const = 0;
  virtual Node print(const T &slot) const = 0;
  void readAny(const Node &node, void *slot, Reader &reader) const final {
    read(node, *static_cast<T *>(slot), reader);
  }
  Node printAny(const void *slot) const final { return print(*static_cast<const T *>(slot)); }
};

class BoolType : public TypeFor<bool> {
public:
  void read(const Node &node, bool &slot, Reader &reader) const override;
  Node print(const bool &slot) const override;
  std::string describe() const override { return "true or false"; }
  llvm::json::Value jsonSchema() const override;
};

class IntegerType : public TypeFor<int64_t> {
public:
  static constexpr int64_t unbounded = std::numeric_limits<int64_t>::max();
  IntegerType(int64_t least, int64_t most = unbounded) : least(least), most(most) {}
  void read(const Node &node, int64_t &slot, Reader &reader) const override;
  Node print(const int64_t &slot) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;

private:
  int64_t least, most;
};

/// A range of numbers; each end belongs to it or not.
struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool withLeast = true, withMost = true;

  static Range any() { return {}; }
  static Range atLeast(double least) { return {.least = least}; }
  static Range above(double least) { return {.least = least, .withLeast = false}; }
  /// least <= x <= most
  static Range within(double least, double most) { return {.least = least, .most = most}; }
  /// least < x <= most
  static Range aboveUpTo(double least, double most) {
    return {.least = least, .most = most, .withLeast = false};
  }
  /// least <= x < most
  static Range upTo(double least, double most) {
    return {.least = least, .most = most, .withMost = false};
  }
  /// least < x < most
  static Range between(double least, double most) {
    return {.least = least, .most = most, .withLeast = false, .withMost = false};
  }
  bool contains(double x) const {
    return (withLeast ? x >= least : x > least) && (withMost ? x <= most : x < most);
  }
};

class NumberType : public TypeFor<double> {
public:
  explicit NumberType(Range range) : range(range) {}
  void read(const Node &node, double &slot, Reader &reader) const override;
  Node print(const double &slot) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;

private:
  Range range;
};

enum class TextForm {
  Any,        ///< not empty
  Identifier, ///< [A-Za-z_][A-Za-z0-9_]*: a value of an ops block
  LayerName,  ///< as an identifier, also with '-'
  FileName,   ///< [A-Za-z0-9_][A-Za-z0-9_.-]*: names a run's folder
  Path,       ///< kept as an absolute path
};

class TextType : public TypeFor<std::string> {
public:
  explicit TextType(TextForm form) : form(form) {}
  void read(const Node &node, std::string &slot, Reader &reader) const override;
  Node print(const std::string &slot) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;
  bool accepts(llvm::StringRef text) const;

private:
  TextForm form;
};

/// One of a few names.
class WordsType : public Type {
public:
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;
  /// Names that later versions will know.
  void notYet(std::vector<std::string> names) { unsupported = std::move(names); }

protected:
  /// The index of the word, or none after reporting.
  std::optional<size_t> readWord(const Node &node, Reader &reader) const;
  std::vector<std::string> names, unsupported;
};

template <typename T> class WordType : public WordsType {
public:
  explicit WordType(std::vector<std::pair<std::string, T>> words) {
    for (auto &[name, value] : words) {
      names.push_back(name);
      values.push_back(value);
    }
  }
  void readAny(const Node &node, void *slot, Reader &reader) const override {
    if (std::optional<size_t> index = readWord(node, reader))
      *static_cast<T *>(slot) = values[*index];
  }
  Node printAny(const void *slot) const override {
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i] == *static_cast<const T *>(slot))
        return Node::scalar(names[i], true);
    return Node::scalar("", true);
  }

private:
  std::vector<T> values;
};

template <typename T> struct IsAt : std::false_type {};
template <typename T> struct IsAt<At<T>> : std::true_type {};

/// A list of E or At<E>; the element's type reads the E.
template <typename E> class ListType : public TypeFor<std::vector<E>> {
public:
  /// A spec has no more values than this anyway.
  static constexpr size_t unbounded = YamlLimits::nodes;
  ListType(const Type *element, std::string noun, size_t least, size_t most = unbounded)
      : element(element), noun(std::move(noun)), least(least), most(most) {}

  void read(const Node &node, std::vector<E> &slot, Reader &reader) const override {
    if (!node.isList())
      return reader.mismatch(node, describe());
    if (node.items.size() < least || node.items.size() > most)
      return reader.error(node.mark, "expected " + describe() + ", found " +
                                         llvm::Twine(node.items.size()) +
                                         (node.items.size() == 1 ? " entry" : " entries"));
    slot.clear();
    for (const Node &item : node.items) {
      Reader::Scope scope(reader, llvm::Twine(slot.size()));
      E &entry = slot.emplace_back();
      if constexpr (IsAt<E>::value) {
        entry.mark = item.mark;
        entry.mark.column += item.quoted; // texts are parsed further: their first character
        element->readAny(item, &entry.value, reader);
      } else {
        element->readAny(item, &entry, reader);
      }
    }
  }
  Node print(const std::vector<E> &slot) const override {
    Node list = Node::list();
    for (const E &entry : slot)
      if constexpr (IsAt<E>::value)
        list.items.push_back(element->printAny(&entry.value));
      else
        list.items.push_back(element->printAny(&entry));
    return list;
  }
  std::string describe() const override {
    if (most == 1 && least == 1)
      return "a list of one " + noun.substr(0, noun.size() - 1); // every noun's plural has an 's'
    if (least == most)
      return "a list of " + std::to_string(most) + " " + noun;
    if (most == unbounded)
      return (least ? "a list of one or more " : "a list of ") + noun;
    return "a list of " + (least ? std::to_string(least) + " to " : "at most ") +
           std::to_string(most) + " " + noun;
  }
  llvm::json::Value jsonSchema() const override {
    llvm::json::Object schema{{"type", "array"}, {"items", element->jsonSchema()}};
    if (least > 0)
      schema["minItems"] = int64_t(least);
    if (most != unbounded)
      schema["maxItems"] = int64_t(most);
    return schema;
  }
  void visit(const std::string &path, Type::Visitor visitor) const override {
    element->visit(path + "[]", visitor);
  }

private:
  const Type *element;
  std::string noun;
  size_t least, most;
};

} // namespace danaus::spec
