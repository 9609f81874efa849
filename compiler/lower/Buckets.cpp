// See Buckets.h.
#include "compiler/lower/Buckets.h"

#include <algorithm>
#include <limits>

using namespace danaus;

/// best[i]: the earliest end of the all-reduces of the first i pieces, one after the other. A cut
/// that ends no later with more all-reduces is not better: ties go to the longer bucket.
llvm::SmallVector<size_t> danaus::cutBuckets(llvm::ArrayRef<GradientPiece> pieces,
                                             int64_t mostBytes, const StepRates &rates) {
  size_t count = pieces.size();
  llvm::SmallVector<double> best(count + 1, std::numeric_limits<double>::infinity());
  llvm::SmallVector<size_t> begin(count + 1, 0);
  best[0] = 0;
  for (size_t end = 1; end <= count; ++end) {
    int64_t bytes = 0;
    double ready = 0;
    for (size_t first = end; first-- > 0;) {
      bytes += pieces[first].bytes;
      ready = std::max(ready, pieces[first].ready);
      if (bytes > mostBytes && first + 1 < end)
        break;
      double done = std::max(best[first], ready) + rates.latency + bytes * rates.reducePerByte;
      if (done <= best[end])
        best[end] = done, begin[end] = first;
    }
  }
  llvm::SmallVector<size_t> ends;
  for (size_t end = count; end > 0; end = begin[end])
    ends.push_back(end);
  std::reverse(ends.begin(), ends.end());
  return ends;
}
