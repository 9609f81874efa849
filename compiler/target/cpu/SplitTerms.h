// Float32 as three bfloat16 terms, in registers: x = a + b + c exactly, each of 8 bits. Henry, Tang
// and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
// Computations" (ARITH 2019). Terms are cut off, not rounded: no finite number overflows. Of an
// infinite number the second term is NaN; parts below the least normal number (2^-126) count as 0.
#pragma once

#include "compiler/lower/MatrixUnit.h"
#include "compiler/target/cpu/Emitter.h"

namespace danaus::cpu {

/// Every `vectors.size()`-th element (a power of two): vector i has elements i, i + N, i + 2 N, ...
/// of N neighbouring vectors of 16 words.
llvm::SmallVector<mlir::Value> everyNth(Emitter &e, llvm::ArrayRef<mlir::Value> vectors);

/// 16 float32 from `offset` on; where `limit` is given, those from its place on are 0.
mlir::Value loadFloats(Emitter &e, mlir::Value memory, mlir::Value offset, mlir::Value limit);

/// The terms of 32 neighbours of K, each a vector of 32 bfloat16. One term alone is the number
/// rounded to nearest.
llvm::SmallVector<mlir::Value> rowTerms(Emitter &e, mlir::Value low, mlir::Value high,
                                        int64_t terms);

/// The terms of 16 columns of two neighbours of K, in pairs.
llvm::SmallVector<mlir::Value> pairTerms(Emitter &e, mlir::Value even, mlir::Value odd,
                                         int64_t terms);

/// The terms (lhs, rhs) of the products that are added up, smallest first: six of three terms, the
/// only one of one term. One operand's tiles change from one product to the next.
inline llvm::ArrayRef<std::pair<int64_t, int64_t>> productsOf(int64_t terms) {
  static constexpr std::pair<int64_t, int64_t> products[SplitProducts] = {{2, 0}, {1, 0}, {1, 1},
                                                                          {0, 1}, {0, 2}, {0, 0}};
  return llvm::ArrayRef(products).take_back(terms == 1 ? 1 : SplitProducts);
}

/// Stores terms side by side: 32 bfloat16 each, at `offset` and from there on every `stride`
/// elements of `halves`.
void storeTerms(Emitter &e, llvm::ArrayRef<mlir::Value> terms, mlir::Value halves,
                mlir::Value offset, int64_t stride);

/// Lanes of two vectors of 32 bfloat16; places from 32 on are the second's.
mlir::Value shuffleHalves(Emitter &e, mlir::Value a, mlir::Value c, llvm::ArrayRef<int64_t> places);

} // namespace danaus::cpu
