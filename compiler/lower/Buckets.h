// Where the flat buffer of gradients is cut into all-reduces. Many small ones begin early and hide
// behind the backward pass, but each costs a latency; a large one begins only with its last
// gradient. What is ready last is exposed whatever is done: the cut with the earliest end of all.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace danaus {

/// What a step is assumed to run at, to order of magnitude: only ratios matter for the cut.
struct StepRates {
  double flops, bytes;           ///< per second, of the kernels of one rank
  double latency, reducePerByte; ///< seconds for an all-reduce: latency + bytes * reducePerByte

  /// A processor and 10 Gbit/s Ethernet between nodes.
  static StepRates cpu() { return {100e9, 20e9, 50e-6, 2 / 1.25e9}; }
  /// A GPU with 16-bit matrix units and 200 Gbit/s between nodes.
  static StepRates gpu() { return {50e12, 1.5e12, 20e-6, 2 / 25e9}; }
};

/// A gradient, in the order of the buffer.
struct GradientPiece {
  int64_t bytes;
  double ready; ///< seconds after the step began
};

/// The ends of the buckets, ascending, the last being pieces.size(): each bucket is the pieces from
/// the end of the one before. Of at most `mostBytes` each, or of one piece.
llvm::SmallVector<size_t> cutBuckets(llvm::ArrayRef<GradientPiece> pieces, int64_t mostBytes,
                                     const StepRates &rates);

} // namespace danaus
