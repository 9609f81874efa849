// What tests of nn programs share: programs from text, random tensors, differences. Deterministic
// on every machine: no distribution of the standard library, whose values are its own choice.
#pragma once

#include "dialects/nn/NN.h"
#include "runtime/plan/Control.h"
#include "test/lib/reference/Reference.h"

#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"

#include <bit>
#include <cassert>
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

/// A control buffer with the integers of nn.dropout's counters, in the bits of float32 values. A
/// word in whose bits is a signalling NaN (0x7F800001 and so on) does not survive as a double.
inline Tensor dropoutControl(uint64_t seed, uint32_t step, uint32_t firstSample = 0) {
  Tensor result({int64_t(control::Count)});
  auto set = [&](size_t index, uint32_t word) {
    result.data[index] = std::bit_cast<float>(word);
    assert(std::bit_cast<uint32_t>(float(result.data[index])) == word && "a signalling NaN");
  };
  set(control::RandomKey0, uint32_t(seed));
  set(control::RandomKey1, uint32_t(seed >> 32));
  set(control::RandomStep, step);
  set(control::FirstSample, firstSample);
  return result;
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
