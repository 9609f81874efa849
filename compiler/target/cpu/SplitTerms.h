// Float32 as three bfloat16 terms, in registers: x = a + b + c exactly, each of 8 bits. Henry, Tang
// and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
// Computations" (ARITH 2019). Terms are cut off, not rounded: no finite number overflows. Of an
// infinite number the second term is NaN; parts below the least normal number (2^-126) count as 0.
#pragma once

#include "compiler/target/cpu/Emitter.h"

namespace danaus::cpu {

/// Every `vectors.size()`-th element (a power of two): vector i has elements i, i + N, i + 2 N, ...
/// of N neighbouring vectors of 16 words.
llvm::SmallVector<mlir::Value> everyNth(Emitter &e, llvm::ArrayRef<mlir::Value> vectors);

/// 16 float32 from `offset` on; where `limit` is given, those from its place on are 0.
mlir::Value loadFloats(Emitter &e, mlir::Value memory, mlir::Value offset, mlir::Value limit);

/// The terms of two vectors, lane by lane in pairs: 32 bfloat16 each, at `offset` and from there on
/// every `stride` elements of `halves`. Of 32 of K, k and k + 16 make a pair: of a row of the lhs
/// these are two vectors as they lie in memory, of 16 columns of the rhs two rows of K. Neighbours
/// would make pairs of rows by permutations, which one unit of the processor has to do.
void storeTerms(Emitter &e, mlir::Value first, mlir::Value second, mlir::Value halves,
                mlir::Value offset, int64_t stride);

} // namespace danaus::cpu
