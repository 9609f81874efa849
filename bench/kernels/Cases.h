// Which kernels are measured: each case is a small spec, the program of it that is run, and the
// launches of that program that count.
#pragma once

#include "runtime/measure/Measure.h"

#include <functional>
#include <string>
#include <vector>

namespace danaus::bench {

/// What a kernel can be held against.
enum class Limit { Arithmetic, Copy };

/// Of a launch, as the plan tells it.
struct LaunchView {
  std::string label, kind; ///< "chain layer", "chain"
  uint64_t flops;
};

struct KernelCase {
  std::string name; ///< "chain/monarch_768_3072/forward"
  std::string spec; ///< YAML; cases of one spec share its binary
  Measured what;
  Limit limit;
  std::function<bool(const LaunchView &)> counts; ///< the kernels that are measured
  /// Launches that exist only to feed them (packing of operands); may be empty.
  std::function<bool(const LaunchView &)> serves;
};

std::vector<KernelCase> kernelCases();

} // namespace danaus::bench
