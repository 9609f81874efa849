// Where in a spec an operation comes from, out of its location.
#pragma once

#include "mlir/IR/Location.h"
#include "llvm/ADT/SetVector.h"

namespace danaus {

/// The layer names and lines in a location, in order, without repeats.
struct SpecPlaces {
  explicit SpecPlaces(mlir::Location loc) { collect(loc); }

  llvm::SetVector<llvm::StringRef> names;
  llvm::SetVector<unsigned> lines;
  llvm::StringRef file; ///< of the last line; empty where there is none

private:
  void collect(mlir::Location loc);
};

} // namespace danaus
