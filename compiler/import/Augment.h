// One entry of `data.augment`: a name alone, or a name with options.
#pragma once

#include "compiler/import/Record.h"

namespace danaus::spec {

/// `random_crop`, or `{random_crop: {padding: 4}}`.
class AugmentType : public TypeFor<Augment> {
public:
  /// `kinds` has a key for each kind, in the order of AugmentKind, whose type reads its options.
  explicit AugmentType(const Record<Augment> *kinds) : kinds(kinds) {}
  void read(const Node &node, Augment &augment, Reader &reader) const override;
  Node print(const Augment &augment) const override;
  std::string describe() const override;
  llvm::json::Value jsonSchema() const override;
  void visit(const std::string &path, Visitor visitor) const override;

private:
  const Record<Augment> *kinds;
};

} // namespace danaus::spec
