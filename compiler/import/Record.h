// Maps of keys bound to the members of a struct: the entries of the schema's one table.
#pragma once

#include "compiler/import/Types.h"

namespace danaus::spec {

/// One key: its name, what it means, what it takes and where its value goes.
struct Key {
  std::string name, doc;
  const Type *type = nullptr;
  void *(*slot)(void *object) = nullptr;
  Mark *(*mark)(void *object) = nullptr; ///< where the value's place goes; may be null
  bool isRequired = false;
  bool isPrintedUnset = true;
  std::string hiddenText = {}; ///< a default that means as much as no key
  /// The key belongs to these values of another key of the same map ("nblocks" to kind: monarch).
  std::string when = {};
  std::vector<std::string> whenValues = {};

  Key &required() { return isRequired = true, *this; }
  /// Left out of the resolved spec where it has its default (an empty name).
  Key &hiddenUnset() { return isPrintedUnset = false, *this; }
  /// Left out where it is this default: specs from before the key keep their resolved form.
  Key &hiddenAs(std::string text) {
    hiddenText = std::move(text);
    return hiddenUnset();
  }
  Key &onlyWith(std::string key, std::vector<std::string> values) {
    when = std::move(key), whenValues = std::move(values);
    return *this;
  }
  Key &markedAs(Mark *(*place)(void *)) { return mark = place, *this; }
  /// "only with kind: monarch", or nothing.
  std::string condition() const;
  /// "kind: monarch"
  std::string values() const;
};

namespace detail {
template <typename M> struct MemberOf;
template <typename C, typename T> struct MemberOf<T C::*> {
  using Class = C;
  using Type = T;
};

/// object->*First->*Rest...
template <auto First, auto... Rest> auto &member(void *object) {
  auto &inner = static_cast<typename MemberOf<decltype(First)>::Class *>(object)->*First;
  if constexpr (sizeof...(Rest) == 0)
    return inner;
  else
    return member<Rest...>(&inner);
}

template <auto... Path> void *slotOf(void *object) {
  auto &target = member<Path...>(object);
  if constexpr (IsAt<std::remove_reference_t<decltype(target)>>::value)
    return &target.value;
  else
    return &target;
}

/// The place kept for the value of an At<T> or a struct with a `mark`; a Mark is its own place.
template <auto... Path> Mark *markOf(void *object) {
  auto &target = member<Path...>(object);
  if constexpr (std::is_same_v<std::remove_reference_t<decltype(target)>, Mark>)
    return &target;
  else if constexpr (requires { target.mark; })
    return &target.mark;
  else
    return nullptr;
}
} // namespace detail

/// A map with a fixed set of keys, bound to an object known only to the subclass.
class RecordType : public Type {
public:
  /// A key whose value lives in object->*Path...
  template <auto... Path> Key &key(std::string name, const Type *type, std::string doc) {
    return add(
        {std::move(name), std::move(doc), type, detail::slotOf<Path...>, detail::markOf<Path...>});
  }
  /// A key whose type reads the object itself.
  Key &self(std::string name, const Type *type, std::string doc) {
    return add({std::move(name), std::move(doc), type, [](void *object) { return object; }});
  }
  /// Where the place of the whole map goes.
  template <auto Member> void markedBy() { ownMark = detail::markOf<Member>; }

  void readAny(const Node &node, void *object, Reader &reader) const override;
  Node printAny(const void *object) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;
  void visit(const std::string &path, Visitor visitor) const override;

  const std::vector<Key> &keys() const { return table; }
  std::vector<std::string> names() const;
  bool needsKeys() const;
  /// The printed default of a key; none where it has to be written or is unset.
  virtual std::optional<Node> defaultOf(const Key &key) const = 0;

protected:
  virtual void check(const Node &node, const void *object, Reader &reader) const = 0;

private:
  Key &add(Key key) {
    table.push_back(std::move(key));
    return table.back();
  }
  void readKeys(const Node &node, void *object, Reader &reader,
                std::vector<std::string> &failed) const;
  void checkKeys(const Node &node, void *object, Reader &reader,
                 const std::vector<std::string> &failed) const;
  const Key *find(llvm::StringRef name) const;
  bool applies(const Key &key, const void *object) const;

  std::vector<Key> table;
  Mark *(*ownMark)(void *object) = nullptr;
};

template <typename T> class Record : public RecordType {
public:
  /// Looks at several keys together, once each of them was read without a problem.
  using Check = std::function<void(const Node &node, const T &object, Reader &reader)>;
  void checkedBy(Check check) { checks.push_back(std::move(check)); }

  std::optional<Node> defaultOf(const Key &key) const override {
    T object{};
    if (key.isRequired || !key.isPrintedUnset)
      return std::nullopt;
    return key.type->printAny(key.slot(&object));
  }

protected:
  void check(const Node &node, const void *object, Reader &reader) const override {
    for (const Check &check : checks)
      check(node, *static_cast<const T *>(object), reader);
  }

private:
  std::vector<Check> checks;
};

} // namespace danaus::spec
