// What a model's layers are and cost: the rows of `danausc --emit=summary` and the layer table of
// the model binary. Knows operations only by their interfaces.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace danaus {

/// One layer that has parameters or costs products. Counts are exact; MACs are those of one sample.
/// The rows' sums are the model's totals.
struct LayerRow {
  std::string name;      ///< "hidden.0"
  std::string structure; ///< "monarch N=4"; of others than linears what they are: "layer_norm"
  int64_t in = 0, out = 0;
  int64_t params = 0; ///< bias included; a parameter of several layers counts for the first
  int64_t macs = 0;
  /// Of the dense linear in its place; both 0: the layer is not a linear.
  int64_t denseParams = 0, denseMacs = 0;
  unsigned line = 0; ///< in the spec; 0: unknown
  /// A low-rank linear whose rank is not chosen yet: nn::RankByAttr.
  std::optional<double> rankBy;

  bool isLinear() const { return denseMacs != 0; }
};

/// Sums over the whole model. Parameters and products outside linear layers count as they are in
/// the dense twin too.
struct ModelTotals {
  int64_t params = 0, macs = 0, denseParams = 0, denseMacs = 0;
};

/// One row per operation with StructuredLinearOpInterface, and one per other layer with parameters
/// or costs, in the order of the function.
std::vector<LayerRow> collectLayers(mlir::func::FuncOp forward);

/// The totals of @forward, whose layers are `rows`.
ModelTotals collectTotals(mlir::func::FuncOp forward, const std::vector<LayerRow> &rows);

} // namespace danaus
