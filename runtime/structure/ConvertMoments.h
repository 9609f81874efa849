// What an optimizer has gathered of a weight's gradients, carried over to another structure of the
// weight.
#pragma once

#include "runtime/structure/LinearWeights.h"

namespace danaus {

/// A running mean of gradients (momentum, Adam's m), or of their squares (Adam's v).
enum class Moment { First, Second };

/// `moment` has the structure of `before`, the result that of `after`. With W = B A in each of a
/// structure's products and G the moment of W:
///   First    A's is B^T G, B's is G A^T (the chain rule). Where `before` is factorised, G is the
///            least in Frobenius norm that has these.
///   Second   A's is (B*B)^T G, B's is G (A*A)^T, elementwise squares: the chain rule for entries
///            that do not correlate. Where `before` is factorised, G is the product of its means
///            over rows and columns, as Adafactor (Shazeer and Stern, 2018) keeps it.
/// Where both are dense the moment is returned as it is. Errors of computeSvd.
Expected<LinearWeights> convertMoment(const LinearWeights &before, const LinearWeights &moment,
                                      const LinearWeights &after, Moment which);

} // namespace danaus
