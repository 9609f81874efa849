// Between the recognisers of block-diagonal factors: what stands before and behind a batched
// product of blocks, decided element by element.
#pragma once

#include "dialects/nn/NN.h"

namespace danaus::recognise {

/// Calls `visit` for every index of the shape until it returns false.
bool allIndices(llvm::ArrayRef<int64_t> shape,
                llvm::function_ref<bool(llvm::ArrayRef<int64_t>)> visit);

/// The farthest value back from which the product (N, rows, p) x (N, p, q) takes element (k, t, i)
/// as x[t, k*p + i], or zero past x's end: padding belongs to the layer. Null where there is none.
mlir::Value blockInputOf(nn::BatchMatmulOp product);

/// The farthest value behind `product`, reached by movements of elements alone, of shape (rows,
/// out) with ceil(out / N) = s, whose feature `feature` is element (l, t, o) of the product (N,
/// rows, s) for the l and o that `sourceOf` gives. Null where there is none.
mlir::Value
blockOutputOf(nn::BatchMatmulOp product,
              llvm::function_ref<std::pair<int64_t, int64_t>(int64_t feature)> sourceOf);

} // namespace danaus::recognise
