// "train.epochs=3" from the command line, put into the tree of a spec before it is checked: a wrong
// key or value is then the same error as in the file, at its place on the command line.
#pragma once

#include "compiler/import/Yaml.h"

namespace danaus::spec {

/// Applies the `index`th override (from 0) to a spec's tree. Entries of lists are named by their
/// index: structure.0.rank=8. Missing maps and keys on the way are made.
void applyOverride(llvm::StringRef text, size_t index, Node &root, Problems &problems);

/// The overrides as the lines that their marks count, with what no line may hold as spaces.
std::string overrideLines(const std::vector<std::string> &overrides);

} // namespace danaus::spec
