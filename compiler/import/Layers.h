// The entries of `layers:`. A layer is written as its kind alone (- flatten), as a map of one kind
// with its value (- linear: {out: 10}), or with keys beside the kind (- repeat: 4, name: hidden).
#pragma once

#include "compiler/import/Record.h"

namespace danaus::spec {

/// One kind of layer. The map's first key is the kind itself; the others stand beside it.
struct LayerEntry {
  std::string name, doc;
  LayerKind kind;
  Activation activation; ///< of the layers that are one
  const Record<Layer> *map;

  const Key &head() const { return map->keys().front(); }
  /// The keys inside the kind's value, where it is a map.
  const RecordType *inside() const { return dynamic_cast<const RecordType *>(head().type); }
  bool standsAlone() const { return inside() && !inside()->needsKeys(); }
};

class LayerType : public TypeFor<Layer> {
public:
  void add(LayerEntry entry) { entries.push_back(std::move(entry)); }

  void read(const Node &node, Layer &layer, Reader &reader) const override;
  Node print(const Layer &layer) const override;
  std::string describe() const override;
  /// A reference to definition(): layers stand inside layers.
  llvm::json::Value jsonSchema() const override;
  llvm::json::Value definition() const;

  const std::vector<LayerEntry> &kinds() const { return entries; }

private:
  const LayerEntry *find(llvm::StringRef name) const;
  std::vector<std::string> names() const;
  /// The one key of a map that is a kind; null after reporting that there is none or several.
  const LayerEntry *kindOf(const Node &node, Reader &reader) const;

  std::vector<LayerEntry> entries;
};

} // namespace danaus::spec
