// YAML text to a tree of nodes with places, and back. Wraps yaml-cpp 0.7, which throws, lets
// repeated keys and cyclic aliases pass and knows no limits: nothing of it is seen outside
// Yaml.cpp.
#pragma once

#include "compiler/import/Problems.h"

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>
#include <vector>

namespace danaus::spec {

/// Hostile or runaway input ends here, not in memory or stack.
struct YamlLimits {
  static constexpr size_t bytes = 1 << 20;
  static constexpr size_t nodes = 100'000; ///< with every alias counted as the copy it becomes
  static constexpr size_t depth = 64;
};

/// A value with its place. Aliases are copies that keep the places of what they copy.
struct Node {
  enum class Kind { Null, Scalar, List, Map };
  struct Key {
    std::string name;
    Mark mark;
  };

  Kind kind = Kind::Null;
  Mark mark;
  std::string text;        ///< Scalar: without quotes
  bool quoted = false;     ///< Scalar: "128" is a text, 128 a number
  std::vector<Key> keys;   ///< Map: one for each item, all different, in the order written
  std::vector<Node> items; ///< List: the entries; Map: the values

  static Node scalar(std::string text, bool quoted = false);
  static Node list() { return ofKind(Kind::List); }
  static Node map() { return ofKind(Kind::Map); }

  bool isScalar() const { return kind == Kind::Scalar; }
  bool isList() const { return kind == Kind::List; }
  bool isMap() const { return kind == Kind::Map; }

  /// The place of `name` in keys and items of a map.
  std::optional<size_t> find(llvm::StringRef name) const;
  void append(std::string name, Node value);

private:
  static Node ofKind(Kind kind);
};

/// What a scalar without quotes means. Stricter than YAML, whose versions differ on the middle
/// ones.
enum class Meaning {
  Integer,   ///< 0, -12
  Number,    ///< 1.0, 1e-3, -.5
  BadNumber, ///< 010, 0x1f, 0o17, 1_000, +1, .inf, nan: refused where a number is due
  Bool,      ///< true, false
  BadBool,   ///< yes, No, on, TRUE: refused where a truth value is due
  Text,
};
Meaning meaningOf(llvm::StringRef text);

/// Reads one document whose first character stands at `origin`. None where there was a problem.
std::optional<Node> parseYaml(llvm::StringRef text, Mark origin, Problems &problems);

/// Reports the first byte that no spec may hold: not UTF-8, or a control character.
bool checkCharacters(llvm::StringRef text, Mark origin, Problems &problems);

/// The tree as YAML: maps and lists of plain values on one line where they fit in 100 columns.
/// parseYaml() of it gives the same tree.
std::string printYaml(const Node &node);

/// The tree on one line: {name: x, shape: [1, 2]}.
std::string printFlow(const Node &node);

} // namespace danaus::spec
