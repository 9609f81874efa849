// The table of `danausc --emit=summary`.
#pragma once

#include "compiler/Layers.h"

#include "llvm/Support/raw_ostream.h"

namespace danaus {

/// Prints one line per layer (name, structure, in -> out, parameters, MACs per sample, share of the
/// dense layer's MACs) and the totals beside the dense twin's.
void printSummary(const std::vector<LayerRow> &rows, const ModelTotals &totals,
                  llvm::raw_ostream &os);

} // namespace danaus
