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

/// batch_matmul chains to nn.monarch_linear.
void recogniseMonarch(mlir::func::FuncOp function, Weights &weights);

/// One batch_matmul with a weight to nn.block_diagonal_linear.
void recogniseBlockDiagonals(mlir::func::FuncOp function, Weights &weights);

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
