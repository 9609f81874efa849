// What this machine can do at most, measured: multiply-adds of float32 in registers, and bytes to
// and from memory (Williams, Waterman and Patterson, "Roofline: an insightful visual performance
// model for multicore architectures", 2009). A kernel's limit is the slower of its arithmetic and
// its traffic.
#pragma once

#include "runtime/device/Device.h"

#include <string>

namespace danaus {

/// Of all host threads of a device together; a thread's share is that by their number.
struct Roofline {
  double flops = 0;          ///< per second, float32, a fused multiply-add counting two
  double bytesPerSecond = 0; ///< read and written, of arrays that no cache holds
  unsigned threads = 1;

  /// Seconds that so much needs at least.
  double seconds(double flopCount, double byteCount) const;
};

/// Measures on the host threads of `device`, for about half a second.
Roofline measureRoofline(Device &device);

/// What was measured before on this machine with so many threads, from a file of `folder`, else
/// measured now and kept there. A file that cannot be read or written costs only time.
Roofline knownRoofline(Device &device, const std::string &folder);

} // namespace danaus
