// Greedy placement of temporaries by size.
#include "compiler/lower/Layout.h"

using namespace mlir;
using namespace danaus;

int64_t danaus::bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getNumElements() * (tensor.getElementTypeBitWidth() / 8);
}

int64_t danaus::placeIntervals(MutableArrayRef<Interval> intervals) {
  SmallVector<Interval *> order = llvm::map_to_vector(intervals, [](Interval &i) { return &i; });
  std::sort(order.begin(), order.end(),
            [](Interval *a, Interval *b) { return a->bytes > b->bytes; });
  SmallVector<Interval *> placed; // by offset
  int64_t needed = 0;
  for (Interval *interval : order) {
    int64_t offset = 0;
    for (Interval *other : placed) {
      bool together = other->first <= interval->last && interval->first <= other->last;
      if (together && other->offset < offset + alignBytes(interval->bytes))
        offset = std::max(offset, other->offset + alignBytes(other->bytes));
    }
    interval->offset = offset;
    needed = std::max(needed, offset + alignBytes(interval->bytes));
    placed.insert(llvm::upper_bound(placed, interval,
                                    [](Interval *a, Interval *b) { return a->offset < b->offset; }),
                  interval);
  }
  return needed;
}
