// What tests of nn programs share: programs from text, random tensors, differences. Deterministic
// on every machine: no distribution of the standard library, whose values are its own choice.
#pragma once

#include "dialects/nn/NN.h"
#include "test/lib/reference/Reference.h"

#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"

#include <cmath>
#include <random>

namespace danaus::reference {

/// A context with the dialects that nn programs use.
struct NNContext : mlir::MLIRContext {
  NNContext() : MLIRContext(Threading::DISABLED) {
    loadDialect<mlir::func::FuncDialect, nn::NNDialect>();
  }
};

/// The module written in `text`; null, with a diagnostic, where it does not parse or verify.
inline mlir::OwningOpRef<mlir::ModuleOp> parse(mlir::MLIRContext &context, llvm::StringRef text) {
  return mlir::parseSourceString<mlir::ModuleOp>(text, &context);
}

/// Values uniform in [-1, 1).
inline Tensor randomTensor(llvm::ArrayRef<int64_t> shape, std::mt19937 &random) {
  Tensor tensor(shape);
  for (double &value : tensor.data)
    value = random() / 2147483648.0 - 1;
  return tensor;
}

/// One random tensor per argument of the function.
inline llvm::SmallVector<Tensor> randomArguments(mlir::func::FuncOp function,
                                                 std::mt19937 &random) {
  llvm::SmallVector<Tensor> arguments;
  for (mlir::Value argument : function.getArguments())
    arguments.push_back(randomTensor(nn::shapeOf(argument), random));
  return arguments;
}

/// The largest difference of two elements; infinite where shapes differ or a difference is NaN.
inline double largestDifference(const Tensor &a, const Tensor &b) {
  if (a.shape != b.shape)
    return INFINITY;
  double largest = 0;
  for (auto [x, y] : llvm::zip_equal(a.data, b.data))
    if (!(std::fabs(x - y) <= largest))
      largest = std::isnan(x - y) ? INFINITY : std::fabs(x - y);
  return largest;
}

} // namespace danaus::reference
