// Asking for operands ahead of time, a share at a time, so that the requests are spread over the
// products that hide them.
#pragma once

#include "compiler/target/cpu/Emitter.h"

namespace danaus::cpu {

/// Elements of an operand in a cache line.
inline int64_t perLine(const Operand &operand) {
  return 8 * cacheLine / operand.element.getIntOrFloatBitWidth();
}

/// Share `number` of `count`, of `rows` rows of `lines` cache lines each.
struct Share {
  int64_t rows, lines;
  mlir::Value number;
  int64_t count;
};

/// Asks for a share of an operand's rows, which `rowDim` counts from the point `first` on: a part
/// of one row, or whole rows. Nothing is asked for where shares are so few that it would be too
/// late.
void fetchShare(Emitter &emitter, const Operand &operand, llvm::ArrayRef<mlir::Value> first,
                unsigned rowDim, const Share &share);

} // namespace danaus::cpu
