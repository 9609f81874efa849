// Between the files of nn-recognise: what counts as a weight, and the recognisers in the order in
// which the pass runs them. Each rewrites what is provably the same function and leaves a remark
// where a chain came close.
#pragma once

#include "dialects/nn/NN.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

namespace danaus::recognise {

/// Tells weights from data. A weight is computed from nothing but parameters, i.e. arguments with
/// nn.role = "parameter".
class Weights {
public:
  bool contains(mlir::Value value);

private:
  llvm::DenseMap<mlir::Value, bool> known;
};

/// Why batched products are not what one recogniser looks for. They become remarks in the end, for
/// those products that no other recogniser has taken.
class Refusals {
public:
  void add(mlir::Operation *product, const llvm::Twine &why) {
    reasons.push_back({product, why.str()});
  }
  /// Of the products that are still there; what nobody reads any more must be gone.
  void emitRemarks(mlir::func::FuncOp function) const;

private:
  std::vector<std::pair<mlir::Operation *, std::string>> reasons;
};

/// batch_matmul chains to nn.monarch_linear.
void recogniseMonarch(mlir::func::FuncOp function, Weights &weights, Refusals &refusals);

/// One batch_matmul with a weight to nn.block_diagonal_linear.
void recogniseBlockDiagonals(mlir::func::FuncOp function, Weights &weights, Refusals &refusals);

/// matmul with a weight to nn.linear.
void recogniseLinears(mlir::func::FuncOp function, Weights &weights);

/// The addition after a linear of any structure becomes its bias.
void absorbBiases(mlir::func::FuncOp function);

/// Two linears in a row to nn.low_rank_linear.
void recogniseLowRank(mlir::func::FuncOp function);

/// The value with its last two dimensions exchanged: undoes a transpose that does that already, or
/// inserts one.
mlir::Value transposed(mlir::OpBuilder &builder, mlir::Value value);

} // namespace danaus::recognise
