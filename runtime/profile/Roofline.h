// What a machine can do at most: arithmetic by the type of its operands and the unit that does it,
// and bytes to and from memory (Williams, Waterman and Patterson, "Roofline: an insightful visual
// performance model for multicore architectures", 2009). Of this processor it is measured, of a GPU
// its data sheet says it (GpuModel.h). A kernel's limit is the slower of its arithmetic and its
// traffic.
#pragma once

#include "runtime/device/Device.h"

#include <string>

namespace danaus {

/// What a kernel has to do.
struct KernelWork {
  double flops = 0, bytes = 0;
  double matrixFlops = 0; ///< of `flops`: those of a matrix unit (AMX, tensor cores)
  /// 16-bit products that the unit makes for each multiplication: 1 where operands have 16 bits, 6
  /// where each float32 operand is split exactly into three terms of bfloat16 and six of the nine
  /// products are kept.
  unsigned matrixProducts = 1;
};

/// Of all host threads of a device together, a thread's share being that by their number; or of a
/// GPU.
struct Roofline {
  double flops = 0;          ///< per second, float32, a fused multiply-add counting two
  double bytesPerSecond = 0; ///< read and written, of arrays that no cache holds
  unsigned threads = 1;
  /// Per second, of 16-bit operands with float32 sums on a matrix unit; 0: there is none.
  double matrixFlops = 0;
  /// Read and written, of arrays that the second-level cache holds; 0: not known.
  double cacheBytesPerSecond = 0;
  std::string from = "measured"; ///< or "data sheet of an A100"

  /// FLOP/s of multiplications on the matrix unit that take so many 16-bit products each: of
  /// float32 operands at least what the vector units do.
  double matrixRate(unsigned products) const;
  /// Seconds that so much needs at least. Vector and matrix units work beside each other.
  double seconds(const KernelWork &work) const;
};

/// Measures on the host threads of `device`, for about a second.
Roofline measureRoofline(Device &device);

/// What was measured before on this machine with so many threads, from a file of `folder`, else
/// measured now and kept there; so too where the file lacks a number that is known today. A file
/// that cannot be read or written costs only time.
Roofline knownRoofline(Device &device, const std::string &folder);

} // namespace danaus
