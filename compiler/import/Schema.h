// The schema: every key of a spec, declared once. Reading, unknown keys, the resolved printing, the
// JSON Schema and the reference page all walk this table.
#pragma once

#include "compiler/import/Layers.h"
#include "compiler/import/SpecTypes.h"

#include <memory>
#include <string>
#include <vector>

namespace danaus::spec {

/// The largest size of one dimension.
inline constexpr int64_t largestSize = 1 << 24;
/// The names of activations.
std::vector<std::pair<std::string, Activation>> activations();

class Schema {
public:
  Schema();

  const Record<Spec> &root() const { return *top; }
  const LayerType &layers() const { return *layer; }

private:
  template <typename T, typename... Args> T *make(Args &&...args) {
    auto type = std::make_unique<T>(std::forward<Args>(args)...);
    T *raw = type.get();
    types.push_back(std::move(type));
    return raw;
  }
  Record<Layer> *layerKind(const char *name, LayerKind kind, const char *doc,
                           const Type *inside = nullptr, Activation activation = Activation::None);
  void defineLayers();
  void defineVisionLayers(); ///< SchemaVision.cpp
  void defineTokenLayers();  ///< SchemaVision.cpp
  /// A layer that is a number: `- dropout: 0.1`.
  template <auto Member>
  void numberLayer(const char *name, LayerKind kind, const char *doc, const Type *type,
                   const char *meaning);
  const Record<Layer> *opsBlock();
  const Record<Spec> *model();
  const ListType<Structure> *structure();
  const Record<Data> *data();
  const Type *augment();
  const Record<Train> *train();
  const Record<Phase> *phase();
  const Record<Optimizer> *optimizer();
  const Record<Schedule> *scheduler();
  const Record<Dist> *dist();
  const Record<Spec> *checkpoint();
  const Record<Spec> *log();
  const Record<Spec> *profile();

  std::vector<std::unique_ptr<Type>> types;
  Record<Spec> *top = nullptr;
  LayerType *layer = nullptr;
  const Type *layerList = nullptr, *shape = nullptr, *layerName = nullptr;
  const ListType<Structure> *rules = nullptr; ///< of `structure` and of phases
};

} // namespace danaus::spec
