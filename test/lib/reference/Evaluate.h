// Between the interpreter's files: one evaluator per operation, grouped by the dialect's families.
// An evaluator trusts the operation's verifier and reads the operands through `Operands`.
#pragma once

#include "dialects/nn/NN.h"
#include "test/lib/reference/Reference.h"

#include "llvm/ADT/DenseMap.h"

namespace danaus::reference {

/// The values computed so far.
class Values {
public:
  const Tensor &operator[](mlir::Value value) const { return values.find(value)->second; }
  /// The tensor of an optional operand, or null.
  const Tensor *find(mlir::Value value) const { return value ? &(*this)[value] : nullptr; }
  void set(mlir::Value value, Tensor tensor) { values.insert({value, std::move(tensor)}); }

private:
  llvm::DenseMap<mlir::Value, Tensor> values;
};

/// Each evaluates the operations of one family; failure without a diagnostic: not of this family.
llvm::LogicalResult evaluateShape(mlir::Operation *op, Values &values);
llvm::LogicalResult evaluateElementwise(mlir::Operation *op, Values &values);
llvm::LogicalResult evaluateProduct(mlir::Operation *op, Values &values);
llvm::LogicalResult evaluateNorm(mlir::Operation *op, Values &values);
llvm::LogicalResult evaluateAttention(mlir::Operation *op, Values &values);
llvm::LogicalResult evaluateTokens(mlir::Operation *op, Values &values);
llvm::LogicalResult evaluateLoss(mlir::Operation *op, Values &values);
llvm::LogicalResult evaluateOptimizer(mlir::Operation *op, Values &values);

/// A zero tensor of the value's shape.
inline Tensor zerosLike(mlir::Value value) { return Tensor(nn::shapeOf(value)); }

/// log sum_j exp z_j of at least one value, without overflow.
double logSumExp(llvm::ArrayRef<double> z);

} // namespace danaus::reference
