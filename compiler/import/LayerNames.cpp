// Naming of sibling layers; the rules are in the header.
#include "compiler/import/LayerNames.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::import;
using spec::Layer;
using spec::LayerKind;

namespace {
/// The layers that share a scope: those of `layers`, and those inside residuals.
void collectSiblings(ArrayRef<Layer> layers, SmallVectorImpl<const Layer *> &siblings) {
  for (const Layer &layer : layers) {
    siblings.push_back(&layer);
    if (layer.kind == LayerKind::Residual)
      collectSiblings(layer.layers, siblings);
  }
}
} // namespace

FailureOr<LocalNames> danaus::import::nameLayers(const ModelContext &model, ArrayRef<Layer> layers,
                                                 ScopeKind kind) {
  SmallVector<const Layer *> siblings;
  collectSiblings(layers, siblings);
  llvm::StringMap<unsigned> unnamed;
  size_t proper = 0; // siblings that are more than a bracket around others
  for (const Layer *layer : siblings) {
    proper += layer->kind != LayerKind::Residual;
    if (layer->name.value.empty())
      ++unnamed[layer->type];
  }

  LocalNames names;
  llvm::StringMap<const Layer *> owners;
  llvm::StringMap<unsigned> next;
  for (const Layer *layer : siblings) {
    std::string name = layer->name.value;
    if (name.empty()) {
      name = layer->type;
      if (unnamed[layer->type] > 1)
        name += "_" + std::to_string(next[layer->type]++);
      if (kind == ScopeKind::Repeat && proper == 1 && layer->kind != LayerKind::Residual)
        name.clear();
    }
    auto [owner, isNew] = owners.try_emplace(name, layer);
    if (!isNew) {
      const Layer *other = owner->second;
      InFlightDiagnostic error = model.error({layer->name.mark, layer->mark});
      error << "two layers of one scope are called '" << name << "'; give one another name";
      error.attachNote(
          model.locationOf(other->name.mark.written() ? other->name.mark : other->mark))
          << "the first is here";
      return failure();
    }
    names[layer] = std::move(name);
  }
  return names;
}

std::string danaus::import::joinNames(StringRef scope, StringRef local) {
  if (scope.empty() || local.empty())
    return (scope + local).str();
  return (scope + "." + local).str();
}
