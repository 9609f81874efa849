// How layers are called. A layer is called by its name, else by its type; siblings of one scope
// that would share a type's name get _0, _1, ... in order. `repeat` opens a scope name.i, in which
// a single unnamed layer is called by the scope; `residual` opens none.
#pragma once

#include "compiler/import/ModelContext.h"

#include "llvm/ADT/DenseMap.h"

namespace danaus::import {

enum class ScopeKind { Model, Repeat };

/// The names of one scope's layers and of those inside its residuals, relative to the scope; empty:
/// called as the scope itself.
using LocalNames = llvm::DenseMap<const spec::Layer *, std::string>;

/// Failure (with an error at the second) where two siblings would have the same name.
mlir::FailureOr<LocalNames> nameLayers(const ModelContext &model,
                                       llvm::ArrayRef<spec::Layer> layers, ScopeKind kind);

/// "hidden.0" and "relu" make "hidden.0.relu"; an empty part is left out.
std::string joinNames(llvm::StringRef scope, llvm::StringRef local);

} // namespace danaus::import
